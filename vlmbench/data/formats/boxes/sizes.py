"""How large image files are, by their headers."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from vlmbench.data.formats.pixels import turn_of
from vlmbench.files import open_regular


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height as annotation tools show the image, that is after its EXIF orientation; None for no image.

    No pixels are decoded, but for a PNG's, behind which its orientation may lie.
    """
    try:
        with open_regular(path) as file, Image.open(file) as image:
            turn = turn_of(image)
            return turn.shown if turn is not None else image.size
    except MemoryError:
        raise
    except Exception:  # decoders meet bad bytes with any error; reading the sample later says what is wrong
        return None
