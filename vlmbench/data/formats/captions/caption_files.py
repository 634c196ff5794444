"""Files that say which captions an image has: COCO's, Karpathy's, BLIP's JSON, and Flickr's tables and token files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.formats.captions.caption_formats import CaptionRow, read_rows
from vlmbench.data.location import is_below, read_text
from vlmbench.errors import DataError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import EMPTY_CAPTIONS


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image's path, as its annotations name it, and its captions in their order."""

    image: str
    captions: tuple[str, ...]


def read_captions(path: Path, split: str | None) -> list[CaptionedImage]:
    """Every image of an annotation file with its captions.

    Known are, told apart by their content: COCO's captions JSON (``images`` and ``annotations``); Karpathy's
    ``dataset_*.json`` (``images`` with ``sentences`` and a ``split``); BLIP's lists of
    ``{"image": …, "caption": […]}``; ``image,caption`` tables; Flickr's token files and ``image| number| caption``
    tables; and tables with the columns ``filename`` and ``raw``, a JSON list of captions. Blanks around captions go;
    captions without words, and images without captions, are left out with a warning.

    Args:
        split: which part; None: all. A file that says nothing of splits is that part if its name says so.

    Raises:
        DataError: the file is none of these, damaged, or has not one image of the split.
    """
    found = read_rows(read_text(path), path)
    captions: dict[str, list[str]] = {}
    for row in _of_split(found.rows, split, path):
        image = _name(row, path)
        if image in captions and not found.gathered:
            raise DataError(f"{path}: image {image!r} is listed twice")
        captions.setdefault(image, []).extend(_words(row, path))
    entries = [CaptionedImage(image, tuple(filter(None, own))) for image, own in captions.items() if any(own)]
    if not entries:
        raise DataError(f"{path}: not one captioned image" + (f" of the split {split!r}" if split else ""))
    _tell_of_empty(captions, path)
    return entries


def _of_split(rows: list[CaptionRow], split: str | None, path: Path) -> Iterable[CaptionRow]:
    if split is None:
        return rows
    splits = {row.split for row in rows if row.split is not None}
    if not splits:
        if split in re.split(r"[^a-z0-9]+", path.stem.casefold()):
            return rows
        raise DataError(
            f"{path}: it says nothing of splits, and its name does not say that it is {split!r}",
            hint="Name a file of that split, or leave out `split` to take every image.",
        )
    if split not in splits:
        raise DataError(f"{path}: no split {split!r}; it has {', '.join(sorted(map(str, splits)))}")
    return (row for row in rows if row.split == split)


def _name(row: CaptionRow, path: Path) -> str:
    if not isinstance(row.image, str) or not is_below(row.image):
        raise DataError(f"{path}: {row.image!r} is no path below the folder of images")
    return row.image


def _words(row: CaptionRow, path: Path) -> list[str]:
    words = []
    for caption in row.captions:
        if not isinstance(caption, str):
            raise DataError(f"{path}: image {row.image!r}: {caption!r} is no caption, but a {type(caption).__name__}")
        if any("\ud800" <= character <= "\udfff" for character in caption):
            raise DataError(f"{path}: image {row.image!r}: a caption is cut within a character: {caption!r}")
        words.append(caption.strip())
    return words


def _tell_of_empty(captions: dict[str, list[str]], path: Path) -> None:
    empty = sum(not caption for own in captions.values() for caption in own)
    without = [image for image, own in captions.items() if not any(own)]
    counted = ((empty, "caption", "without words"), (len(without), "image", "without captions"))
    parts = [f"{count:,} {what}{'s' * (count != 1)} {lack}" for count, what, lack in counted if count]
    if parts:
        say(
            EMPTY_CAPTIONS,
            f"{' and '.join(parts)} in {path} {'was' if empty + len(without) == 1 else 'were'} left out",
            brief=f"{' and '.join(parts)} left out",
            count=len(without) or empty,
            examples=without,
        )
