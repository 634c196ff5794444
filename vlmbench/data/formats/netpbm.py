"""Encodes pixels as an image file, for datasets that store arrays and for crops of images.

The sources ``torchvision`` and ``voc`` and datasets in memory use it.
"""

from __future__ import annotations

from PIL import Image

_MAGIC = {"RGB": "P6", "L": "P5"}


def encode(image: Image.Image) -> bytes:
    """An 8-bit image as a binary PPM (mode RGB) or PGM (mode L) file.

    The format is lossless, and the bytes are the same on every machine. The bytes of a PNG would depend on the version
    of zlib, and then a dataset's fingerprint would, too.
    """
    return f"{_MAGIC[image.mode]}\n{image.width} {image.height}\n255\n".encode() + image.tobytes()
