"""Which file names are those of images: the formats that Pillow decodes by itself on this machine."""

from __future__ import annotations

import os
from functools import cache

from PIL import Image

_NOT_DECODED = frozenset(("EPS", "PDF", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC", "PALM"))
"""What Pillow recognises and cannot decode alone: EPS starts another program, WMF asks the system, the rest has no
pixels or no decoder. MPO, which has no opener of its own, is opened as JPEG."""


@cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of image files, in lower case and with their dots."""
    Image.init()
    found = Image.registered_extensions()
    return frozenset(suffix for suffix, format_name in found.items() if format_name not in _NOT_DECODED)


def is_image_name(name: str) -> bool:
    """Whether a file's name ends as an image's does, in any letter case."""
    return os.path.splitext(name)[1].lower() in image_suffixes()


def usual_suffixes() -> str:
    """The suffixes that people use, for messages."""
    usual = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm")
    known = [suffix for suffix in usual if suffix in image_suffixes()]
    return f"{', '.join(known)} and {len(image_suffixes()) - len(known)} more"
