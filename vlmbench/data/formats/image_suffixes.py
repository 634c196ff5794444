"""Tells image files by their names: the suffixes of the formats that Pillow on this machine decodes by itself.

All sources that search for images use it.
"""

from __future__ import annotations

import os
from functools import cache

from PIL import Image

_NOT_DECODED = frozenset(("EPS", "PDF", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC", "PALM"))
"""Formats that Pillow recognises but does not decode by itself: EPS needs another program, WMF needs the system, and
the others have no pixels or no decoder. MPO has no opener of its own: Pillow opens it as JPEG."""


HEIC_SUFFIXES = frozenset((".heic", ".heif", ".heics", ".heifs", ".hif"))
"""Suffixes of a format that phones write and Pillow does not decode."""


@cache
def image_suffixes() -> frozenset[str]:
    """The suffixes of image files, in lower case, with the dot."""
    Image.init()
    found = Image.registered_extensions()
    return frozenset(suffix for suffix, format_name in found.items() if format_name not in _NOT_DECODED)


def is_image_name(name: str) -> bool:
    """Whether a file's name ends with an image suffix, in any letter case."""
    return os.path.splitext(name)[1].lower() in image_suffixes()


def usual_suffixes() -> str:
    """The most common image suffixes and the number of the others, for messages."""
    usual = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm")
    known = [suffix for suffix in usual if suffix in image_suffixes()]
    return f"{', '.join(known)} and {len(image_suffixes()) - len(known)} more"
