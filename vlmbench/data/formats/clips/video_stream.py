"""Chooses the video stream of a container, and turns its frames into pictures as players show them.

The reader of videos, :mod:`.video`, uses it.

- A cover picture is not a video. If there are several video streams, the first one is read, with a remark.
- A rotation by right angles that the file asks for (in its display matrix, as phones write it) is applied, also with a
  mirror image. The ``ffmpeg`` program and players do the same; the readers of torchvision and decord do not.
- Pixels of any depth become 8-bit RGB. Transparent parts get a white background.
- Pixels that are not square are not stretched, and it is a remark: models' transforms get frames as they are stored.
- Interlaced video is not changed. A variable frame rate is ignored: frames are counted, and their times do not matter.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlmbench.data.formats.pixels import Fact, say_facts
from vlmbench.errors import BadSampleError
from vlmbench.remarks.base import Code, Text, say
from vlmbench.remarks.codes import FIRST_STREAM, OBLONG_PIXELS, TURNED_VIDEOS
from vlmbench.wording import counted, either

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_PICTURE_CODECS = frozenset(("mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpegls", "jpeg2000"))
"""Codecs of cover pictures, for streams that do not state that they are one."""
_SQUARE = 0.02
"""The aspect ratio of a pixel may differ from 1 by this much: scaling to even sizes makes it differ by up to 1 %."""
_DEGREE = math.radians(1)
"""A rotation may differ from a right angle by this much, in radians."""


@dataclass
class Seen:
    """Makes the remarks about one clip: each at most once, for any number of frames that are read."""

    sample_id: str
    _said: set[str] = field(default_factory=set)

    def stream(self, others: int) -> None:
        if others:
            self._say(FIRST_STREAM, _streams, _streams_brief)

    def turned(self) -> None:
        self._say(TURNED_VIDEOS, _turned, _turned_brief)

    def oblong(self) -> None:
        self._say(OBLONG_PIXELS, _oblong, _oblong_brief)

    def transparent(self) -> None:
        if "transparent" not in self._said:
            self._said.add("transparent")
            say_facts([Fact("transparent")], self.sample_id)

    def _say(self, code: Code, text: Text, brief: Text) -> None:
        if code.name not in self._said:
            self._said.add(code.name)
            say(code, text, brief=brief, examples=[self.sample_id])


def video_stream(container: InputContainer, seen: Seen) -> VideoStream:
    """The first video stream that is not a cover picture.

    Raises:
        BadSampleError: there is no such stream.
    """
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not moving:
        cover = ", but only a cover picture" if container.streams.video else ""
        raise BadSampleError(seen.sample_id, f"the file has no video stream{cover}")
    filmed = [stream for stream in moving if not _of_pictures(stream)]
    streams = filmed or moving
    seen.stream(len(streams) - 1)
    return streams[0]


def _of_pictures(stream: VideoStream) -> bool:
    codec: VideoCodecContext | None = stream.codec_context  # None if FFmpeg has no decoder for it
    return codec is not None and codec.name in _PICTURE_CODECS


def picture_of(frame: VideoFrame, stream: VideoStream, seen: Seen) -> bytes:
    """A decoded frame as a binary PPM of 8-bit RGB.

    Raises:
        BadSampleError: the video asks to be turned by an angle that is not a right angle.
    """
    aspect = stream.sample_aspect_ratio
    if aspect and not 1 / (1 + _SQUARE) < aspect < 1 + _SQUARE:
        seen.oblong()
    pixels = _upright(_rgb(frame, seen), _display_matrix(frame), seen)
    height, width, _ = pixels.shape
    return b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes()


def _rgb(frame: VideoFrame, seen: Seen) -> NDArray[np.uint8]:
    if not (frame.format.has_palette or any(component.is_alpha for component in frame.format.components)):
        return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    pixels = frame.to_ndarray(format="rgba").astype(np.uint8, copy=False)
    if pixels[..., 3].min() == 255:
        return np.ascontiguousarray(pixels[..., :3])
    seen.transparent()
    image = Image.fromarray(pixels)
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """(a, b, c, d) of the display matrix: x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 6.2.2).

    FFmpeg stores the matrix as nine 32-bit integers in the machine's byte order.
    """
    side_data: Any = frame.side_data  # PyAV's type stubs do not match its class
    try:
        data = bytes(side_data["DISPLAYMATRIX"])
    except KeyError:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from("=5i", data)
    return a, b, c, d


def _upright(pixels: NDArray[np.uint8], matrix: tuple[int, int, int, int], seen: Seen) -> NDArray[np.uint8]:
    a, b, c, d = matrix
    if not any(matrix):
        return pixels  # a matrix of zeros is a mistake of the program that wrote it, and players ignore it
    turn = math.atan2(b, a) % (math.pi / 2)
    if min(turn, math.pi / 2 - turn) > _DEGREE:
        degrees = math.degrees(math.atan2(b, a))
        raise BadSampleError(
            seen.sample_id, f"it asks to be turned by {degrees:.0f} degrees, which is not a right angle"
        )
    crosswise = abs(b) > abs(a)
    right, down = (c, b) if crosswise else (a, d)
    turned = pixels.transpose(1, 0, 2) if crosswise else pixels
    turned = turned[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
    if crosswise or right < 0 or down < 0:
        seen.turned()
    return np.ascontiguousarray(turned)


def _streams(count: int) -> str:
    return f"{counted(count, 'clip')} {either(count, 'has', 'have')} several video streams, and the first one was read"


def _streams_brief(count: int) -> str:
    return f"first {either(count, 'stream', 'streams')} of {counted(count, 'clip')}"


def _turned(count: int) -> str:
    return (
        f"{counted(count, 'video')} {either(count, 'was', 'were')} turned as "
        f"{either(count, 'its file asks', 'their files ask')}, and as players do"
    )


def _turned_brief(count: int) -> str:
    return f"{counted(count, 'video')} turned"


def _oblong(count: int) -> str:
    return (
        f"{counted(count, 'video')} {either(count, 'has', 'have')} pixels that are not square, and "
        f"{either(count, 'its', 'their')} frames were not stretched"
    )


def _oblong_brief(count: int) -> str:
    return f"{counted(count, 'video')} with pixels that are not square"
