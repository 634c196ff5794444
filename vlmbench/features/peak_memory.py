"""Measures the peak of memory during a stretch of work, and during a part of it.

Runs measure each pair, and transfer measures the part in which a method learns.
"""

from __future__ import annotations

import re
from pathlib import Path
from weakref import ReferenceType, ref

_RESET_PEAK = "5"
"""The value with which Linux resets the peak of resident memory (proc_pid_clear_refs(5))."""
_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB$", re.MULTILINE)
_newest: ReferenceType[PeakMemory] | None = None
"""The system counts one peak for the whole process, so that the newest measurement is known for the process, too."""


class PeakMemory:
    """The largest memory use since this object was made.

    Args:
        device: on a CUDA device the memory of tensors counts, otherwise the resident memory of this process.
        proc: the folder in which Linux describes this process.
    """

    def __init__(self, device: str, proc: Path = Path("/proc/self")) -> None:
        global _newest
        self._device, self._proc = device, proc
        self._before_parts = 0
        self._counts = self._reset()
        _newest = ref(self)

    def peak(self) -> int | None:
        """The largest number of bytes so far; None if the system does not tell."""
        found = self._since_reset()
        return None if found is None else max(found, self._before_parts)

    def part(self) -> PeakMemory:
        """Measure a part of this stretch. The whole stretch keeps its own peak."""
        self._before_parts = max(self.peak() or 0, self._before_parts)
        return PeakMemory(self._device, self._proc)

    def end_part(self, part: PeakMemory) -> None:
        """Go on with this stretch after a part: the part's peak is one of this stretch, too."""
        global _newest
        self._before_parts = max(part.peak() or 0, self._before_parts)
        _newest = ref(self)

    def _since_reset(self) -> int | None:
        if self._device.startswith("cuda"):
            import torch

            return int(torch.cuda.max_memory_allocated(self._device))
        if not self._counts:
            return None
        try:
            found = _PEAK.search((self._proc / "status").read_text())
        except OSError:
            return None
        return int(found[1]) * 1024 if found else None

    def _reset(self) -> bool:
        """Reset the peak. Returns whether it worked; otherwise the peak may belong to earlier work."""
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)
            return True
        try:
            (self._proc / "clear_refs").write_text(_RESET_PEAK)
        except OSError:  # not Linux, or a sandbox that forbids it
            return False
        return True


class PeakOfPart:
    """A context: the peak of a part of what this process measures. It measures nothing if the process does not.

    Attributes:
        bytes: the peak, after the part has ended; None if it is not known.
    """

    def __init__(self) -> None:
        self.bytes: int | None = None
        self._whole: PeakMemory | None = None
        self._part: PeakMemory | None = None

    def __enter__(self) -> PeakOfPart:
        self._whole = _newest() if _newest is not None else None
        self._part = self._whole.part() if self._whole is not None else None
        return self

    def __exit__(self, *error: object) -> None:
        if self._whole is not None and self._part is not None:
            self.bytes = self._part.peak()
            self._whole.end_part(self._part)
        self._whole = self._part = None
