"""How large image files are, by their headers."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from vlmbench.data.formats.pixels import orientation_of
from vlmbench.files import open_regular

_ON_ITS_SIDE = 5
"""EXIF orientations from here on are turned by a quarter."""


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height as annotation tools show the image, that is after its EXIF orientation; None for no image.

    No pixels are decoded, but for a TIFF's, which Pillow turns as it loads them.
    """
    try:
        with open_regular(path) as file, Image.open(file) as image:
            if image.format == "TIFF":
                image.load()
            width, height = image.size
            return (height, width) if orientation_of(image) >= _ON_ITS_SIDE else (width, height)
    except MemoryError:
        raise
    except Exception:  # decoders meet bad bytes with any error; reading the sample later says what is wrong
        return None
