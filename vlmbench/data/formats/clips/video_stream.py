"""Which stream of a container is the video, and how its frames become pictures as players show them.

- A cover picture is no video. Of several video streams the first is read, with a remark.
- A turn by right angles that the container or stream asks for (its display matrix: phones) is applied, mirrored or not.
  The ``ffmpeg`` program and players do the same; torchvision's and decord's readers do not.
- Pixels become 8-bit RGB, whatever their depth; transparent places get white behind them.
- Pixels that are not square are not stretched, with a remark: models' transforms take frames as they are stored.
- Interlaced video stays interlaced, and a variable rate stays as it is: frames count, not times.
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

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_PICTURE_CODECS = frozenset(("mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpegls", "jpeg2000"))
"""What covers are encoded with, where a stream does not say that it is one."""
_SQUARE = 0.02
"""How far from 1 the aspect of a pixel may be: scaling to even numbers of pixels leaves up to 1 %."""
_DEGREE = math.radians(1)
"""How far from a right angle a turn may be."""


@dataclass
class Seen:
    """What there is to remark of one clip, said once however many frames are read."""

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
    """The first video stream that is no cover picture.

    Raises:
        BadSampleError: there is none.
    """
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not moving:
        cover = ", only a cover picture" if container.streams.video else ""
        raise BadSampleError(seen.sample_id, f"the container has no video stream{cover}")
    filmed = [stream for stream in moving if not _of_pictures(stream)]
    streams = filmed or moving
    seen.stream(len(streams) - 1)
    return streams[0]


def _of_pictures(stream: VideoStream) -> bool:
    codec: VideoCodecContext | None = stream.codec_context  # None if FFmpeg knows no decoder of it
    return codec is not None and codec.name in _PICTURE_CODECS


def picture_of(frame: VideoFrame, stream: VideoStream, seen: Seen) -> bytes:
    """A decoded frame as a binary PPM of 8-bit RGB.

    Raises:
        BadSampleError: the video asks to be turned by an angle that is not right.
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
    """(a, b, c, d) of x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 6.2.2); FFmpeg stores nine 32-bit integers in
    the machine's order."""
    side_data: Any = frame.side_data  # PyAV's types say something else than its class
    try:
        data = bytes(side_data["DISPLAYMATRIX"])
    except KeyError:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from("=5i", data)
    return a, b, c, d


def _upright(pixels: NDArray[np.uint8], matrix: tuple[int, int, int, int], seen: Seen) -> NDArray[np.uint8]:
    a, b, c, d = matrix
    if not any(matrix):
        return pixels  # a matrix of zeros is a writer's mistake: players ignore it
    turn = math.atan2(b, a) % (math.pi / 2)
    if min(turn, math.pi / 2 - turn) > _DEGREE:
        raise BadSampleError(seen.sample_id, f"it asks to be turned by {math.degrees(math.atan2(b, a)):.0f} degrees")
    crosswise = abs(b) > abs(a)
    right, down = (c, b) if crosswise else (a, d)
    turned = pixels.transpose(1, 0, 2) if crosswise else pixels
    turned = turned[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
    if crosswise or right < 0 or down < 0:
        seen.turned()
    return np.ascontiguousarray(turned)


def _streams(count: int) -> str:
    if count == 1:
        return "1 clip holds several video streams, and the first was read"
    return f"{count:,} clips hold several video streams, and the first was read"


def _streams_brief(count: int) -> str:
    return "first stream of 1 clip" if count == 1 else f"first streams of {count:,} clips"


def _turned(count: int) -> str:
    if count == 1:
        return "1 video asks to be turned, and was turned as players do"
    return f"{count:,} videos ask to be turned, and were turned as players do"


def _turned_brief(count: int) -> str:
    return f"{count:,} video{'s' * (count != 1)} turned"


def _oblong(count: int) -> str:
    if count == 1:
        return "1 video has pixels that are not square, and its frames were not stretched"
    return f"{count:,} videos have pixels that are not square, and their frames were not stretched"


def _oblong_brief(count: int) -> str:
    return f"{count:,} video{'s' * (count != 1)} with pixels that are not square"
