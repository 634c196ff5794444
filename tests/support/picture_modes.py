"""One picture as files of every mode, each with the RGB that it is to become, computed with NumPy alone."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

Pixels = NDArray[Any]
WHITE = 255.0
_OF_31_BITS = (2**31 - 1) // 255


@dataclass(frozen=True)
class ModeFile:
    """An image file, and its (H, W, 3) in grey levels of 0 to 255, not rounded."""

    data: bytes
    rgb: Pixels


def gradient(side: int) -> Pixels:
    """(side, side, 3) of 8 bits: smooth, with all values, and the same under no turn."""
    across, down = np.meshgrid(np.linspace(0, 255, side), np.linspace(0, 255, side))
    return np.rint(np.stack([across, down, (across + 2 * down) / 3], axis=-1)).astype(np.uint8)


def every_mode(side: int) -> Mapping[str, ModeFile]:
    """A picture of side by side pixels, in every mode that a file may have."""
    colours = gradient(side)
    grey = colours[..., 2]
    alpha = colours[..., 0]
    levels = np.stack([grey] * 3, axis=-1).astype(float)
    over_white = alpha[..., None] / 255.0
    indices = grey // 16
    palette = np.stack([np.arange(256) * 7 % 256, 255 - np.arange(256), np.arange(256)], axis=-1).astype(np.uint8)
    of_palette = palette[indices].astype(float)
    key = tuple(int(value) for value in colours[side // 2, side // 3])
    keyed = np.where((colours == key).all(axis=-1, keepdims=True), WHITE, colours.astype(float))
    ink = np.concatenate([colours, grey[..., None] // 2], axis=-1)
    printed = (255.0 - ink[..., :3]) * (255.0 - ink[..., 3:]) / 255.0
    files = {
        "L": (png(grey), levels),
        "LA": (
            png(np.stack([grey, alpha], axis=-1), "LA"),
            levels * over_white + WHITE * (1 - over_white),
        ),
        "P": (png(indices, palette=palette), of_palette),
        "P with transparency": (
            png(indices, palette=palette, transparency=3),
            np.where((indices == 3)[..., None], WHITE, of_palette),
        ),
        "1": (png(grey > 99), np.where(grey[..., None] > 99, WHITE, 0.0).repeat(3, axis=-1)),
        "I;16": (png(grey.astype(np.uint16) * 257), levels),
        "I;16B": (tiff(grey.astype(">u2") * 257), levels),
        "I": (tiff(grey.astype("<i4") * _OF_31_BITS), levels * _OF_31_BITS * 255 / (2**31 - 1)),
        "F": (tiff(grey.astype("<f4") / 255), levels),
        "CMYK": (saved(PIL.Image.fromarray(ink, "CMYK"), "TIFF"), printed),
        "RGBA": (
            png(np.concatenate([colours, alpha[..., None]], axis=-1)),
            colours * over_white + WHITE * (1 - over_white),
        ),
        "RGB with a transparent colour": (png(colours, transparency=key), keyed),
        **{f"EXIF {tag}": (png(colours, exif=orientation(tag)), colours.astype(float)) for tag in range(1, 9)},
    }
    return {name: ModeFile(data, rgb) for name, (data, rgb) in files.items()}


def orientation(tag: int) -> PIL.Image.Exif:
    """An EXIF block that asks to turn an image."""
    exif = PIL.Image.Exif()
    exif[0x0112] = tag
    return exif


def saved(image: PIL.Image.Image, file_format: str, **options: Any) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png(pixels: Pixels, mode: str | None = None, palette: Pixels | None = None, **options: Any) -> bytes:
    """A PNG of these pixels."""
    image = PIL.Image.fromarray(pixels, mode) if mode else PIL.Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette.tobytes())
    return saved(image, "PNG", **options)


def tiff(samples: Pixels, tags: Mapping[int, tuple[int, float]] | None = None, *, white_is_zero: bool = False) -> bytes:
    """A plain TIFF of (H, W) or (H, W, bands) samples of any type, byte by byte, with tags: (type, value) of each.

    Types are 3 (16 bits), 4 (32 bits), 9 (32 bits with a sign) and 11 (real).
    """
    order = ">" if samples.dtype.byteorder == ">" else "<"
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    bands = samples.shape[2] if samples.ndim == 3 else 1
    data = samples.tobytes()
    data += b"\0" * (len(data) % 2)
    bits: Sequence[int] = [samples.dtype.itemsize * 8] * bands
    places = 8 + len(data)
    table = struct.pack(f"{order}{bands}H", *bits) if bands > 2 else b""
    entries: dict[int, tuple[int, int, float | Sequence[int]]] = {
        256: (3, 1, samples.shape[1]),
        257: (3, 1, samples.shape[0]),
        258: (4, bands, places) if bands > 2 else (3, bands, bits),
        259: (3, 1, 1),
        262: (3, 1, 2 if bands > 2 else (0 if white_is_zero else 1)),
        273: (4, 1, 8),
        277: (3, 1, bands),
        278: (3, 1, samples.shape[0]),
        279: (4, 1, samples.nbytes),
        339: (3, 1, kind),
        **{tag: (of_type, 1, value) for tag, (of_type, value) in (tags or {}).items()},
    }
    directory = struct.pack(f"{order}H", len(entries))
    for tag, (of_type, count, value) in sorted(entries.items()):
        letter = {3: "H", 4: "I", 9: "i", 11: "f"}[of_type]
        values = value if isinstance(value, Sequence) else [value]
        packed = struct.pack(f"{order}{len(values)}{letter}", *values).ljust(4, b"\0")
        of_type = 3 if tag == 258 else of_type
        directory += struct.pack(f"{order}HHI", tag, of_type, count) + packed
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", places + len(table))
    return header + data + table + directory + b"\0\0\0\0"
