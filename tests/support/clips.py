"""A dataset of clips in memory, for tests of models and of the image stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from vlmbench.data.base import Sample, SourceInfo
from vlmbench.errors import BadSampleError


class Clips:
    """Clips in memory; a frame of None cannot be read. Counts the frames that were read."""

    info = SourceInfo("memory", "memory")
    classes = None
    templates = None

    def __init__(self, clips: Sequence[Sequence[bytes | None]], frames_per_clip: int) -> None:
        self.clips = clips
        self.frames_per_clip = frames_per_clip
        self.samples = [Sample(f"c{i}", 0) for i in range(len(clips))]
        self.reads = 0
        self._lock = threading.Lock()

    def read(self, index: int) -> bytes:
        (frame,) = self.read_frames(index)
        return frame

    def read_frames(self, index: int) -> Iterator[bytes]:
        for frame in self.clips[index]:
            if frame is None:
                raise BadSampleError(self.samples[index].id, "a frame is lost")
            with self._lock:
                self.reads += 1
            yield frame

    def state(self) -> str:
        return "memory"
