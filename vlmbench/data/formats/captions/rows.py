"""Defines the rows of caption files, before they are checked. The readers of JSON and of tables make them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """What a file states about one image. Types are not checked yet.

    Attributes:
        image: the image's name, which should be a string.
        captions: its captions, which should be strings.
        split: its split; None if the file states no splits.
    """

    image: object
    captions: list[object]
    split: str | None = None


@dataclass(frozen=True)
class Rows:
    """A file's rows.

    Attributes:
        gathered: an image may have several rows, and their captions are gathered; else each image has one row.
    """

    rows: list[CaptionRow]
    gathered: bool = False


def several(captions: object) -> list[object]:
    """Captions as a list: a single caption becomes a list of one."""
    return captions if isinstance(captions, list) else [captions]
