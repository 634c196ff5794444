"""Small images and masks as files."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

SIZE = (6, 4)
"""Width and height."""


def png(values: Sequence[Sequence[int]] | np.ndarray, mode: str = "L") -> bytes:
    """A mask of these values. Mode "P" gets a palette in which no colour is its index; "I;16" has 16 bits."""
    array = np.asarray(values)
    image = PIL.Image.fromarray(array.astype(np.uint16 if mode == "I;16" else np.uint8))
    if mode == "P":
        image = image.copy()
        image.putpalette([(7 * value + 90) % 256 for value in range(768)])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def filled(value: int, mode: str = "L") -> bytes:
    """A mask of :data:`SIZE` that has one value everywhere."""
    return png(np.full(SIZE[::-1], value), mode)


def picture(seed: int, size: tuple[int, int] = SIZE) -> bytes:
    """A PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_pairs(root: Path, masks: dict[str, bytes], *, images: str = "images", folder: str = "masks") -> Path:
    """Images of noise (PNG content, whatever the suffix) and these masks, by name."""
    for seed, (name, mask) in enumerate(masks.items()):
        for path, content in ((root / images / f"{name}.jpg", picture(seed)), (root / folder / f"{name}.png", mask)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def saved(values: np.ndarray, file_format: str, **options: object) -> bytes:
    """An array as Pillow writes it."""
    file = io.BytesIO()
    PIL.Image.fromarray(values).save(file, file_format, **options)
    return file.getvalue()


def raw_png(rows: Sequence[bytes], bits: int, colour_type: int, size: tuple[int, int]) -> bytes:
    """A PNG of these packed rows, of depths that Pillow does not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def coloured_palette(values: np.ndarray, palette: Sequence[int]) -> bytes:
    """A palette PNG of these indices, whose colours are given as red, green and blue by turns."""
    image = PIL.Image.fromarray(values.astype(np.uint8)).copy()
    image.putpalette(list(palette))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
