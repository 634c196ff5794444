"""From a decoded image of any mode to 8-bit RGB: one rule for every model and task.

- Integers of more than 8 bits and real numbers are scaled by their range to 0 … 255. The range is the smallest usual
  one that holds the image's values: of integers 0 … 255, 4,095 (12 bits), 65,535 (16 bits) and 2³¹ - 1; of real numbers
  0 … 1 and then those of integers. Values below 0 have no usual range: theirs is from the image's smallest to its
  largest.
- Palettes, bits, grey, CMYK, YCbCr, Lab and HSV become RGB as Pillow converts them, before any resizing.
- Transparent places get white behind them.
- Of several pictures in a file, the first.
- An EXIF orientation is applied where the task's annotations are made on turned pictures; see ``upright``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vlmbench.data.formats.decode import decode_image
from vlmbench.errors import BadSampleError
from vlmbench.remarks.base import Code, say
from vlmbench.remarks.codes import FIRST_FRAME, ORIENTATION_APPLIED, ORIENTATION_KEPT, SCALED_VALUES, TRANSPARENCY

_ORIENTATION = 0x0112
_UPRIGHT = 1
_INTEGER_RANGES = (255, 4095, 65535, 2**31 - 1)
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")

FactKind = Literal["scaled", "transparent", "kept", "turned", "first"]


@dataclass(frozen=True)
class Fact:
    """Something about an image's file that the user is to know.

    Attributes:
        detail: of ``scaled`` the range, of the others nothing.
    """

    kind: FactKind
    detail: str = ""


@dataclass(frozen=True)
class RgbImage:
    """An image in RGB, and what it took to get there."""

    image: Image.Image
    facts: tuple[Fact, ...] = ()


def decode_rgb(data: bytes, sample_id: str, *, upright: bool = False) -> RgbImage:
    """Open and fully load an image file as 8-bit RGB; see the module for the rules. From several threads at once.

    Args:
        upright: whether an EXIF orientation is applied.

    Raises:
        BadSampleError: see :func:`~vlmbench.data.formats.decode.decode_image`; or it cannot be converted, such as an
            image with values that are not finite.
    """
    image = decode_image(data, sample_id)
    facts: list[Fact] = []
    try:
        if image.format != "MPO" and getattr(image, "is_animated", False):  # phones put previews behind a JPEG
            image.seek(0)
            facts.append(Fact("first"))
        if orientation_of(image) != _UPRIGHT:
            facts.append(Fact("turned" if upright else "kept"))
            if upright:
                image = ImageOps.exif_transpose(image)
        return RgbImage(_rgb(image, sample_id, facts), tuple(facts))
    except (OSError, ValueError, EOFError) as error:  # Pillow's own complaints about an image that it opened
        raise BadSampleError(sample_id, f"cannot be converted to RGB: {error}") from error


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it is not valid. A TIFF is turned when it is loaded."""
    if image.format == "TIFF" or not ("exif" in image.info or image.format in ("PNG", "MPO", "WEBP", "AVIF")):
        return _UPRIGHT
    found = image.getexif().get(_ORIENTATION, _UPRIGHT)
    return found if found in range(1, 9) else _UPRIGHT


def _rgb(image: Image.Image, sample_id: str, facts: list[Fact]) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _DEEP:
        grey, shown = _scaled(np.asarray(image), sample_id)
        facts.append(Fact("scaled", shown))
        return Image.fromarray(grey).convert("RGB")
    if image.mode in _ALPHA or "transparency" in image.info:
        return _on_white(image.convert("RGBA"), facts)
    return image.convert("RGB")


def _on_white(image: Image.Image, facts: list[Fact]) -> Image.Image:
    lowest = image.getchannel("A").getextrema()[0]
    if lowest == 255:
        return image.convert("RGB")
    facts.append(Fact("transparent"))
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _scaled(values: NDArray[np.generic], sample_id: str) -> tuple[NDArray[np.uint8], str]:
    """Grey values of any type to bytes, and the range they were scaled by."""
    numbers = values.astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    if not np.isfinite((low, high)).all():
        raise BadSampleError(sample_id, "some of its values are not finite")
    bottom, top = _range(low, high, real=np.issubdtype(values.dtype, np.floating))
    scaled = (numbers - bottom) * (255 / (top - bottom)) if top > bottom else numbers * 0
    return np.rint(scaled).astype(np.uint8), f"{bottom:,.6g} to {top:,.10g}"


def _range(low: float, high: float, *, real: bool) -> tuple[float, float]:
    if low < 0:
        return low, high
    usual = (1, *_INTEGER_RANGES) if real else _INTEGER_RANGES
    return 0, next((top for top in usual if high <= top), high)


def notes_of(facts: Sequence[Fact]) -> str:
    """Facts as text, to be kept beside an image's features; empty where there are none."""
    return "\n".join(f"{fact.kind} {fact.detail}".strip() for fact in facts)


def facts_of_notes(notes: str) -> tuple[Fact, ...]:
    """Facts from what :func:`notes_of` made of them."""
    found = []
    for line in notes.splitlines():
        kind, _, detail = line.partition(" ")
        found += [Fact(known, detail) for known in _SAYINGS if known == kind]
    return tuple(found)


@dataclass(frozen=True)
class _Saying:
    """The sentence of a fact for a number of images; equal ones make one remark."""

    one: str
    several: str
    detail: str = ""

    def __call__(self, count: int) -> str:
        return f"1 {self.one}{self.detail}" if count == 1 else f"{count:,} {self.several}{self.detail}"


_SAYINGS: dict[FactKind, tuple[Code, _Saying, _Saying]] = {
    "scaled": (
        SCALED_VALUES,
        _Saying(
            "image has values of more than 8 bits, which were scaled to 8 bits from ",
            "images have values of more than 8 bits, which were scaled to 8 bits from ",
        ),
        _Saying("image scaled from ", "images scaled from "),
    ),
    "transparent": (
        TRANSPARENCY,
        _Saying(
            "image is transparent in places, where white was put behind it",
            "images are transparent in places, where white was put behind them",
        ),
        _Saying("transparent image", "transparent images"),
    ),
    "kept": (
        ORIENTATION_KEPT,
        _Saying(
            "image has an EXIF tag that asks to turn it, and was read as it is stored",
            "images have an EXIF tag that asks to turn them, and were read as they are stored",
        ),
        _Saying("image not turned", "images not turned"),
    ),
    "turned": (
        ORIENTATION_APPLIED,
        _Saying(
            "image was turned as its EXIF tag asks, because annotations are made on turned images",
            "images were turned as their EXIF tags ask, because annotations are made on turned images",
        ),
        _Saying("image turned", "images turned"),
    ),
    "first": (
        FIRST_FRAME,
        _Saying(
            "image file holds several pictures, and the first was read",
            "image files hold several pictures, and the first was read",
        ),
        _Saying("first picture of a file", "first pictures of files"),
    ),
}


def say_facts(facts: Sequence[Fact], sample_id: str) -> None:
    """Make a remark of each fact; those of many images become one."""
    for fact in facts:
        code, text, brief = _SAYINGS[fact.kind]
        say(
            code,
            _Saying(text.one, text.several, fact.detail),
            brief=_Saying(brief.one, brief.several, fact.detail),
            examples=[sample_id],
        )
