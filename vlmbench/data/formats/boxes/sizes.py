"""How large image files are, by their headers."""

from __future__ import annotations

from pathlib import Path

from vlmbench.data.formats.pixels import shown_size
from vlmbench.files import open_regular


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height as annotation tools show the image, that is after its EXIF orientation; None for no image."""
    try:
        with open_regular(path) as file:
            return shown_size(file)
    except OSError:  # reading the sample later says what is wrong
        return None
