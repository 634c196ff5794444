"""Reads the sizes of image files from their headers. Readers of boxes use it."""

from __future__ import annotations

from pathlib import Path

from vlmbench.data.formats.pixels import shown_size
from vlmbench.files import open_regular


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height after the EXIF orientation is applied, as annotation tools do; None if it is not an image."""
    try:
        with open_regular(path) as file:
            return shown_size(file)
    except OSError:  # reading the sample later reports what is wrong
        return None
