"""Pixels as a file: for datasets that keep arrays, and for crops of images."""

from __future__ import annotations

from PIL import Image

_MAGIC = {"RGB": "P6", "L": "P5"}


def encode(image: Image.Image) -> bytes:
    """An 8-bit image as a binary PPM (mode RGB) or PGM (mode L) file.

    Lossless, and the same bytes everywhere: those of a PNG depend on the version of zlib, and a dataset's
    fingerprint must not.
    """
    return f"{_MAGIC[image.mode]}\n{image.width} {image.height}\n255\n".encode() + image.tobytes()
