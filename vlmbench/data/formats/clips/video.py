"""Reads frames of video files with PyAV: exactly the wanted frames, or an error with the reason.

The sources of clips use it. The frames of a whole video are counted by reading the container without decoding, and
found by decoding from the start, because neither seeking nor times are exact in every container. Segments can only be
found by their times. Each call opens the file for itself and decodes in one thread, so that several calls can run at
once. A frame is returned as a binary PPM of 8-bit RGB: its bytes, and so its hash, depend only on the pixels.

:mod:`vlmbench.data.formats.clips.video_stream` chooses the stream and turns its frames into pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vlmbench.data.base import segment_centres
from vlmbench.data.formats.clips.video_stream import Seen, picture_of, video_stream
from vlmbench.data.formats.clips.video_suffixes import FORMATS
from vlmbench.data.image_files import regular_file
from vlmbench.errors import BadSampleError, MissingDependencyError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_MAX_PIXELS = 178_956_970
"""The most pixels of one frame. Pillow refuses larger images as decompression bombs."""

_SEEK_BACK_S = (0, 1, 10)
"""A seek first aims at the wanted frame, then this many seconds before it, and at last at the beginning."""

_COMPLETE = 0.95
"""A video must have at least this share of the frames or seconds that its header states. Headers of good files may be
wrong by a few frames."""


def read_video_frames(path: Path, frames: int, sample_id: str) -> Iterator[bytes]:
    """The frames of a video at the centres of equal segments, in order of time.

    If the container states its number of frames or seconds, they must be there. Damage lasts from a broken frame to the
    next keyframe, and is an error only if a wanted frame lies in between. Damage that the decoder does not report
    cannot be found (noise in arithmetic-coded streams; the missing end of a stream without a header).

    Args:
        path: the video file; :func:`~.video_stream.video_stream` chooses its stream.
        frames: the number of frames to read.

    Raises:
        BadSampleError: the file cannot be read, is not a video, has no frames, ends early or is damaged.
        MissingDependencyError: PyAV is not installed.
    """
    seen = Seen(sample_id)
    with _container_errors(path, sample_id) as (av, file):
        with closing(_open(av, file)) as container:
            count = _count(container, video_stream(container, seen), sample_id)
        file.seek(0)
        with closing(_open(av, file)) as container:
            stream = video_stream(container, seen)
            numbered = enumerate(_decoded(container, stream))
            wanted = segment_centres(count, frames)
            yield from _chosen(numbered, wanted, f"of {count:,}", stream, seen)


def read_segment_frames(path: Path, seconds: tuple[float, float], frames: int, sample_id: str) -> Iterator[bytes]:
    """The frames at the centres of equal parts of a segment of a video, in order of time.

    Frames are found by their times. Reading begins at the keyframe before the segment.

    Args:
        path: the video file; :func:`~.video_stream.video_stream` chooses its stream.
        seconds: start and end of the segment, [start, end), in seconds from the beginning of the video.
        frames: the number of frames to read.

    Raises:
        BadSampleError: as in :func:`read_video_frames`; or the video ends before the segment, or has no times.
        MissingDependencyError: PyAV is not installed.
    """
    seen = Seen(sample_id)
    with _container_errors(path, sample_id) as (av, file):
        with closing(_open(av, file)) as container:
            times = _times_within(container, video_stream(container, seen), seconds)
        if not times:
            raise BadSampleError(
                sample_id, f"the video has no frames between {seconds[0]:g} and {seconds[1]:g} seconds"
            )
        file.seek(0)
        wanted = [times[place] for place in segment_centres(len(times), frames)]
        with closing(_open(av, file)) as container:
            stream = video_stream(container, seen)
            _seek_before(container, stream, wanted[0])
            numbered = ((frame.pts, frame) for frame in _decoded(container, stream))
            yield from _chosen(numbered, wanted, f"at {seconds[0]:g} to {seconds[1]:g} seconds", stream, seen)


def _times_within(container: InputContainer, stream: VideoStream, seconds: tuple[float, float]) -> list[int]:
    """The sorted times of a segment's frames, in units of the stream's time base."""
    base = stream.time_base or Fraction(1)
    first, last = (round(Fraction(second) / base) for second in seconds)
    if not _states_times(container):
        return _decoded_times_within(_decoded(container, stream), first, last)
    begin = stream.start_time or 0
    start, end = begin + first, begin + last
    _seek_before(container, stream, start)
    times = []
    for packet in container.demux(stream):
        if packet.dts is not None and packet.dts >= end:
            break  # packets come in the order of decoding, and a frame is decoded before it is shown
        if packet.size and not packet.is_discard and packet.pts is not None and start <= packet.pts < end:
            times.append(packet.pts)
    return sorted(times)


def _decoded_times_within(frames: Iterable[VideoFrame], first: int, last: int) -> list[int]:
    """The sorted times of a segment's frames, for a container that states no times, so that the decoder computes them.

    Args:
        frames: the decoded frames, from the beginning of the video.
        first: the start of the segment, counted from the first frame, in units of the stream's time base.
        last: the end of the segment, likewise.
    """
    times: list[int] = []
    for frame in frames:
        if frame.pts is not None:
            times.append(frame.pts)
            if frame.pts >= times[0] + last:
                break
    return [time for time in times if first <= time - times[0] < last]


def _states_times(container: InputContainer) -> bool:
    """Whether packets state when their frames are shown.

    AVI states only the order of decoding, in which an earlier frame may come later, so that the decoder must sort them.
    """
    return "avi" not in container.format.name.split(",")


def _seek_before(container: InputContainer, stream: VideoStream, pts: int) -> None:
    """Go to a keyframe from which the frame of this time can be decoded.

    A seek uses the times of decoding. If frames are reordered, it may end at the keyframe after the wanted frame; then
    it is repeated with an earlier time.
    """
    begin, base = stream.start_time or 0, stream.time_base or Fraction(1)
    if not _states_times(container):
        return  # from the beginning
    for seconds in _SEEK_BACK_S:
        target = max(begin, pts - round(seconds / base))
        container.seek(target, stream=stream)
        first = next((packet for packet in container.demux(stream) if packet.pts is not None), None)
        container.seek(target, stream=stream)
        if target == begin or (first is not None and first.pts is not None and first.pts <= pts):
            return
    container.seek(begin, stream=stream)


def decoder_version(place: str) -> str:
    """The versions of PyAV and FFmpeg, for the record: another version may decode to other pixels.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    av = _import_av(place)
    return f"PyAV {av.__version__} {sorted(av.library_versions.items())}"


def _import_av(place: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            f"{place}: reading videos needs PyAV, which is not installed", hint="pip install 'vlmbench[video]'"
        ) from error
    return av


@contextmanager
def _container_errors(path: Path, sample_id: str) -> Iterator[tuple[Any, BinaryIO]]:
    """PyAV and the opened file. Errors of both become a :class:`BadSampleError`."""
    av = _import_av(f"sample {sample_id!r}")
    with regular_file(path, sample_id) as file:
        try:
            yield av, file
        except (MemoryError, BadSampleError):
            raise  # the machine is at fault, or the error already states its reason
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise BadSampleError(sample_id, _failure(error, path)) from error


def _count(container: InputContainer, stream: VideoStream, sample_id: str) -> int:
    """The number of frames in the stream: one per packet."""
    count, end, partial = 0, 0, False
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            count += 1
            end = max(end, (packet.pts or 0) + (packet.duration or 0))
            partial = packet.is_corrupt
    if not count:
        raise BadSampleError(sample_id, "the video has no frames")
    if partial or count < _COMPLETE * stream.frames:
        announced = f" of {stream.frames:,}" if stream.frames else ""
        raise BadSampleError(sample_id, f"truncated: the video ends after {count:,}{announced} frames")
    seconds, announced_seconds = float(end * (stream.time_base or 0)), _announced_seconds(stream)
    if seconds < _COMPLETE * announced_seconds:
        raise BadSampleError(
            sample_id, f"truncated: the video ends after {seconds:.2f} of {announced_seconds:.2f} seconds"
        )
    return count


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
    return container.decode(stream)


def _chosen(
    frames: Iterable[tuple[int | None, VideoFrame]], wanted: Sequence[int], among: str, stream: VideoStream, seen: Seen
) -> Iterator[bytes]:
    """The wanted frames as pictures. Decoding stops after the last of them.

    Args:
        frames: the frames with their numbers or times.
        wanted: the numbers or times of the wanted frames, in order.
        among: the end of "frame N …", for messages.
    """
    place = 0
    damaged = False
    for number, frame in frames:
        damaged = frame.is_corrupt or (damaged and not frame.key_frame)
        if number != wanted[place]:
            continue
        if damaged:
            raise BadSampleError(seen.sample_id, f"damaged: frame {number} {among} cannot be decoded without errors")
        data = picture_of(frame, stream, seen)
        while place < len(wanted) and wanted[place] == number:
            yield data
            place += 1
        if place == len(wanted):
            return
    raise BadSampleError(
        seen.sample_id, f"damaged: decoding ends before frame {wanted[place]} {among}, which is needed"
    )


def _open(av: Any, file: BinaryIO) -> InputContainer:
    # An opened file instead of a path: FFmpeg then uses no network protocols, and file names may have any bytes.
    container: InputContainer = av.open(file, mode="r", options={"format_whitelist": FORMATS})
    return container


def _announced_seconds(stream: VideoStream) -> float:
    """The stream's length in seconds from Matroska's tag (``00:00:04.000000000``); 0 if there is no such tag."""
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:  # there is no tag, or it has another form
        return 0.0


def _failure(error: Exception, path: Path) -> str:
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return f"FFmpeg cannot read it as a video, or it is damaged: {text}"
