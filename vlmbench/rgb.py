"""Converts a picture of any mode to 8-bit RGB, by the same rules for every model and task.

Datasets use it for every image, and models for pictures that a user gives.

- Samples (the numbers of a pixel) with more than 8 bits and real numbers are scaled from their range to 0 … 255. If the
  file states the range (:func:`_stated`), that one is used; else the smallest usual range that holds the picture's
  samples (:func:`_usual`).
- Pillow converts palettes, bits, grey, CMYK, YCbCr, Lab and HSV to RGB, before any resizing.
- Transparent parts get a white background.
- Colour profiles and gamma are not applied, as in CLIP_benchmark and torchvision.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_LOWEST, _HIGHEST = (280, 340), (281, 341)
"""TIFF tags of the range: MinSampleValue and SMinSampleValue, MaxSampleValue and SMaxSampleValue."""
_WHITE_IS_ZERO = 0
_UNSIGNED, _SIGNED = 1, 2

_USUAL_BITS = (8, 10, 12, 14, 16)
_OVERSHOOT = 0.1
"""Real numbers may leave a range by this share of it, because cubic and Lanczos filters overshoot by that much."""
_FACTORS = (257, 256, 64, 16, 4)
"""Factors by which programs multiply 8-bit samples: to 16 bits (257 or 256), 14, 12 and 10 bits."""
_DIM = 8
"""If all samples are below this and some have fractions, no range is usual: in 0 … 255 the picture would be black."""
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")

_DARK = 64
"""If the upper bytes of 16-bit samples are below this, the samples fit into 14 bits."""
_GREY_WITH_ALPHA = "LA;16B"
_NATIVE = {"little": "B", "big": "L"}[sys.byteorder]
_LOWER = {
    **{f"{colours};16B": f"{colours};16L" for colours in ("RGB", "RGBA")},
    **{f"{colours};16L": f"{colours};16B" for colours in ("RGB", "RGBA")},
    **{f"{colours};16N": f"{colours};16{_NATIVE}" for colours in ("RGB", "RGBA")},
    _GREY_WITH_ALPHA: "RGBA",
}
"""Pillow's names of 16-bit sample layouts, each with the name that makes Pillow read the lower 8 bits instead."""

Samples = NDArray[Any]


@dataclass(frozen=True)
class Range:
    """A range of sample values, which is scaled to 0 … 255.

    Attributes:
        bottom: the value that becomes 0.
        top: the value that becomes 255.
        stated: whether the file or its format states the range; else it is guessed from the samples.
        own: whether it goes from the smallest to the largest sample of this picture, because no usual range fits.
    """

    bottom: float
    top: float
    stated: bool = False
    own: bool = False

    def __str__(self) -> str:
        return f"{self.bottom:,.6g} to {self.top:,.10g}"


@dataclass(frozen=True)
class Rgb:
    """A picture in RGB, with facts about its conversion.

    Attributes:
        scaled: the range from which its samples were scaled; None if they have 8 bits.
        transparent: whether it got a white background.
    """

    image: Image.Image
    scaled: Range | None = None
    transparent: bool = False


@dataclass(frozen=True)
class Depth:
    """Facts about the file of a colour picture with more than the 8 bits per sample that Pillow keeps.

    Attributes:
        scaled: the range that Pillow scales to 8 bits.
        samples: reads all bits of the samples, (H, W, 3 or 4); None if Pillow's 8 bits are right.
    """

    scaled: Range
    samples: Callable[[], Samples] | None = None


def as_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode in RGB. A picture that is already RGB is returned unchanged.

    Raises:
        ValueError: some of its pixel values are NaN or infinite.
    """
    return to_rgb(image).image


def to_rgb(image: Image.Image, depth: Depth | None = None) -> Rgb:
    """Convert a picture as :func:`as_rgb` does, and report how it was converted.

    Args:
        depth: for a colour picture whose file has more than 8 bits per sample, because Pillow keeps only the upper 8.

    Raises:
        ValueError: some of its pixel values are NaN or infinite.
    """
    if image.mode in _DEEP:
        return _grey(image)
    if image.mode == "L" and _tag(image, _SAMPLE_FORMAT) == _SIGNED:  # Pillow reads them as unsigned
        grey, scaled = _scaled(np.asarray(image).view(np.int8), None)
        return Rgb(Image.fromarray(grey).convert("RGB"), scaled)
    if depth is not None and depth.samples is not None:
        key = image.info.get("transparency")
        if key is not None or max(high for _, high in cast(Any, image).getextrema()[:3]) < _DARK:
            return _colours(depth.samples(), key)
    scaled = depth.scaled if depth is not None else None
    if not image.has_transparency_data:
        return Rgb(image if image.mode == "RGB" else image.convert("RGB"), scaled)
    # Pillow converts La (grey, already multiplied by its alpha) only to LA.
    return _on_white((image.convert("LA") if image.mode == "La" else image).convert("RGBA"), scaled)


def _on_white(image: Image.Image, scaled: Range | None = None) -> Rgb:
    if image.getchannel("A").getextrema()[0] == 255:
        return Rgb(image.convert("RGB"), scaled)
    white = Image.new("RGBA", image.size, "white")
    return Rgb(Image.alpha_composite(white, image).convert("RGB"), scaled, transparent=True)


def _grey(image: Image.Image) -> Rgb:
    samples = np.asarray(image)
    if image.mode == "I" and _tag(image, _BITS) == 32 and _tag(image, _SAMPLE_FORMAT) == _UNSIGNED:
        samples = samples.view(np.uint32)  # Pillow has no unsigned mode of 32 bits
    grey, scaled = _scaled(samples, _stated(image))
    if _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey  # Pillow inverts only pictures of 8 bits or fewer
    picture = Image.fromarray(grey)
    key = image.info.get("transparency")
    if image.format != "PNG" or not isinstance(key, int):
        return Rgb(picture.convert("RGB"), scaled)
    picture.putalpha(Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)))
    return _on_white(picture.convert("RGBA"), scaled)


def _colours(samples: Samples, key: Any) -> Rgb:
    colours, scaled = _scaled(samples[..., :3], None)
    picture = Image.fromarray(colours)
    if samples.shape[-1] == 4:
        opacity, _ = _scaled(samples[..., 3], None)
        picture.putalpha(Image.fromarray(opacity))
    elif key is not None:
        picture.putalpha(Image.fromarray(np.where((samples == key).all(axis=-1), 0, 255).astype(np.uint8)))
    else:
        return Rgb(picture, scaled)
    return _on_white(picture, scaled)


def _scaled(samples: Samples, stated: Range | None) -> tuple[NDArray[np.uint8], Range | None]:
    """Samples of any type as bytes, and the range from which they were scaled.

    The range is None if all samples are 0: they are black in every range.
    """
    low, high = float(samples.min()), float(samples.max())
    if not np.isfinite((low, high)).all():
        raise ValueError("some of its pixel values are NaN or infinite")
    if low == high == 0:
        return np.zeros(samples.shape, np.uint8), None
    found = stated if stated is not None and _holds(stated, low, high) else _usual(samples, low, high)
    if found.top <= found.bottom:
        return np.zeros(samples.shape, np.uint8), found
    scaled = (samples.astype(np.float64) - found.bottom) * (255 / (found.top - found.bottom))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8), found


def _holds(found: Range, low: float, high: float) -> bool:
    return found.bottom <= low and high <= found.top


def _usual(samples: Samples, low: float, high: float) -> Range:
    """The smallest usual range that holds the samples.

    For whole numbers, it goes from 0 to the largest number of 8, 10, 12, 14 or 16 bits, or of as many bits as needed;
    if some are negative, it is -128 to 127. For real numbers, it is 0 to 1, then -1 to 1, then a range of whole
    numbers; the samples may leave it a little (:data:`_OVERSHOOT`). If none of these fits, it goes from the smallest to
    the largest sample.

    For 8-bit samples that were multiplied by a factor, it is 0 to 255 times the factor, also in a dark picture.
    """
    whole = not np.issubdtype(samples.dtype, np.floating) or not np.mod(samples, 1).any()
    spare = 0.0 if whole else _OVERSHOOT
    if low >= -spare and high <= 1 + spare and np.issubdtype(samples.dtype, np.floating):
        return Range(0, 1)
    if low >= -1 - spare and high <= 1 + spare and not whole:
        return Range(-1, 1)
    if whole and low < 0 and low >= -128 and high <= 127:
        return Range(-128, 127)
    if low < 0 and whole:
        return Range(low, high, own=True)
    top = _of_bits(high / (1 + spare))
    if not whole and (high < _DIM or low < -spare * high):
        return Range(low, high, own=True)
    if whole and 255 < top <= 65535 and (factor := _factor(samples, high)):
        return Range(0, 255 * factor)
    return Range(0, top)


def _factor(samples: Samples, high: float) -> int:
    """The factor by which 8-bit samples were multiplied; 0 if they were not."""
    common = int(np.gcd.reduce(samples.astype(np.int64), axis=None))
    found = [factor for factor in _FACTORS if common % factor == 0]
    return found[0] if found and high <= 255 * found[0] else 0


def _of_bits(high: float) -> float:
    """The upper end of the smallest usual range that holds a number: 255, 1,023, 4,095, 16,383 or 65,535.

    Above that, it is the largest number that has as many bits as the given one.
    """
    usual = [bits for bits in _USUAL_BITS if high < 2**bits]
    bits = usual[0] if usual else math.ceil(high).bit_length()
    return float(2**bits - 1)


def _stated(image: Image.Image) -> Range | None:
    """The range that a file or its format states.

    Pillow scales the grey of PGM and JPEG 2000 to 16 bits by itself. A TIFF with 12 bits per sample states 0 to 4095.
    Its tags of the smallest and largest sample count only if they are a usual range, because many programs write the
    values that occur in the picture there. A PNG states nothing: by its standard 16-bit samples use all 16 bits, but
    files with fewer exist. Its chunk sBIT does not help: it states how many bits count, but not which.
    """
    if (image.format, image.mode) in (("PPM", "I"), ("JPEG2000", "I;16")):
        return Range(0, 65535, stated=True)
    if image.format != "TIFF":
        return None
    if _tag(image, _BITS) == 12:
        return Range(0, 4095, stated=True)
    low = next((value for tag in _LOWEST if (value := _tag(image, tag)) is not None), 0)
    high = next((value for tag in _HIGHEST if (value := _tag(image, tag)) is not None), 0)
    usual = {(0, 1), (-1, 1), (-128, 127), (-32768, 32767), *((0, 2**bits - 1) for bits in (*_USUAL_BITS, 31, 32))}
    return Range(low, high, stated=True) if (low, high) in usual else None


def _tag(image: Image.Image, tag: int) -> float | None:
    """The value of a TIFF tag; None if it is missing, not a number, or not the same for all channels."""
    value = cast(Any, image).tag_v2.get(tag) if image.format == "TIFF" and hasattr(image, "tag_v2") else None
    values = set(value) if isinstance(value, tuple) else {value}
    found = values.pop() if len(values) == 1 else None
    return float(found) if isinstance(found, (int, float)) else None


def depth_of(opened: Image.Image, again: Callable[[], Image.Image]) -> Depth | None:
    """Facts about a colour file with more than 8 bits per sample; None if it has 8, or only its decoder knows.

    Args:
        opened: the picture, opened but not loaded.
        again: opens it once more.
    """
    if opened.mode not in ("RGB", "RGBA") or opened.format not in ("PNG", "TIFF", "PPM"):
        return None
    layouts = [_arguments(tile) for tile in cast(Any, opened).tile]
    if opened.format == "PPM":  # Pillow scales from the largest value, which the file states
        highest = layouts[0][-1] if layouts else 0
        return Depth(Range(0, highest, stated=True)) if isinstance(highest, int) and highest > 255 else None
    if not layouts or not all(arguments[0] in _LOWER for arguments in layouts):
        return None
    return Depth(Range(0, 65535), lambda: _all_bits(again(), again()))


def _all_bits(upper: Any, lower: Any) -> Samples:
    """All bits of the samples of a 16-bit picture, (H, W, 3 or 4), from two opened copies of it."""
    grey = _arguments(lower.tile[0])[0] == _GREY_WITH_ALPHA
    lower.tile = [_of_lower_bits(tile) for tile in lower.tile]
    low = np.asarray(lower).astype(np.uint16)
    if grey:  # its samples are two 16-bit numbers, grey and alpha, in four bytes
        value, opacity = (low[..., first] << 8 | low[..., first + 1] for first in (0, 2))
        return np.stack([value, value, value, opacity], axis=-1)
    return cast(Samples, np.asarray(upper).astype(np.uint16) << 8 | low)


def _arguments(tile: Any) -> tuple[Any, ...]:
    """The arguments of a tile's decoder; the first is the layout of the bytes."""
    return tile[3] if isinstance(tile[3], tuple) else (tile[3],)


def _of_lower_bits(tile: Any) -> Any:
    layout, *rest = _arguments(tile)
    changed = (_LOWER[layout], *rest) if isinstance(tile[3], tuple) else _LOWER[layout]
    return type(tile)._make((*tile[:3], changed)) if hasattr(tile, "_make") else (*tile[:3], changed)
