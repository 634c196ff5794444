"""What caption files say, image by image, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """What a file says of one image, unchecked.

    Attributes:
        image: its name; a string, if the file is sound.
        captions: strings, if the file is sound.
        split: the part it belongs to; None where the file says nothing of splits.
    """

    image: object
    captions: list[object]
    split: str | None = None


@dataclass(frozen=True)
class Rows:
    """A file's rows.

    Attributes:
        gathered: an image has a row for each of its captions; else all captions are in one.
    """

    rows: list[CaptionRow]
    gathered: bool = False


def several(captions: object) -> list[object]:
    """A list of captions, which may be one alone."""
    return captions if isinstance(captions, list) else [captions]
