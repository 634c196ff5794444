"""Videos whose every frame is known."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from data.layouts import image_bytes
from PIL import Image

Pixels = npt.NDArray[np.uint8]
SIZE = (48, 32)

LOSSLESS = ("ffv1", "bgr0")


def frame(number: int) -> Pixels:
    """Noise that no other frame has, (H, W, 3)."""
    return pixels_of(image_bytes(number, size=SIZE))


def pixels_of(data: bytes) -> Pixels:
    """The pixels of an encoded image, (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def flat(number: int) -> Pixels:
    """One grey, brighter with every frame: lossy codecs keep it to a few levels."""
    return np.full((SIZE[1], SIZE[0], 3), 20 + 7 * number, dtype=np.uint8)


def write_video(
    path: Path, frames: Iterable[Pixels], codec: str = "ffv1", pix_fmt: str = "bgr0", *, reordered: bool = False
) -> Path:
    """A video of these frames, ten a second; reordered: two B-frames between others, and a keyframe every twelve."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25 if "mpeg2" in codec else 10)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.bit_rate = pix_fmt, 4_000_000  # enough that every frame has bytes to damage
        if reordered:
            stream.codec_context.max_b_frames, stream.codec_context.gop_size = 2, 12
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_frames(folder: Path, numbers: Iterable[int]) -> Path:
    """The same frames as image files, named without leading zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, number in enumerate(numbers):
        (folder / f"frame{place}.png").write_bytes(image_bytes(number, size=SIZE))
    return folder


def write_sound(path: Path) -> Path:
    """A container without pictures."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        sound.rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return path
