"""Reads a caption file into images with their captions, and checks it. The source ``captions`` uses it.

It knows the JSON files of COCO, Karpathy and BLIP, and tables and token files such as Flickr's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from vlmbench.data.formats.captions.caption_formats import read_rows
from vlmbench.data.formats.captions.columns import AskedColumns
from vlmbench.data.formats.captions.rows import CaptionRow
from vlmbench.data.labels import listing
from vlmbench.data.location import is_below, read_text
from vlmbench.errors import DataError
from vlmbench.markup import is_blank
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import EMPTY_CAPTIONS, REPEATED_CAPTIONS
from vlmbench.wording import counted, either, listed

ALL = "all"
"""The split to name if images of all splits are wanted."""


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image's path, as the caption file names it, and its captions in the file's order."""

    image: str
    captions: tuple[str, ...]


class SeveralSplitsError(DataError):
    """A file has images of several splits, and the user named none of them.

    Attributes:
        splits: the names of the splits.
    """

    def __init__(self, message: str, splits: Sequence[str]) -> None:
        super().__init__(message)
        self.splits = splits


def read_captions(path: Path, split: str | None, asked: AskedColumns | None = None) -> list[CaptionedImage]:
    """Read every image of a caption file with its captions.

    The form is recognised by the content: COCO's captions JSON (``images`` and ``annotations``); Karpathy's
    ``dataset_*.json`` (``images`` with ``sentences`` and a ``split``); a list or lines of JSON objects such as
    ``{"image": …, "caption": […]}``; ``{"a.jpg": […]}``; a table with headings, whose columns are found by
    :mod:`~vlmbench.data.formats.captions.columns`; Flickr's token files and ``image,caption`` without headings.
    Spaces around captions are removed. Captions without words and images without captions are left out, with a remark.

    Args:
        split: the split to read; :data:`ALL`: all images; None: all images, if the file has at most one split. If the
            file states no splits, the split must be a word of the file's name.
        asked: the columns of a table that the user names.

    Raises:
        SeveralSplitsError: the file has several splits, and ``split`` is None.
        DataError: the file has an unknown form, is damaged, or has no images of the split.
    """
    found = read_rows(read_text(path), path, asked or AskedColumns())
    captions: dict[str, list[str]] = {}
    names: dict[object, str] = {}
    for row in _of_split(found.rows, split, path):
        key = row.image if isinstance(row.image, str) else None
        if key not in names:
            names[key] = _name(row, path)
        image = names[key]
        if image in captions and not found.gathered:
            raise DataError(f"{path}: image {image!r} is listed twice")
        captions.setdefault(image, []).extend(_words(row, path))
    entries = [CaptionedImage(image, tuple(filter(None, own))) for image, own in captions.items() if any(own)]
    if not entries:
        raise DataError(f"{path}: it has no captioned image" + (f" of the split {split!r}" if split else ""))
    _tell_of_empty(captions, path)
    _tell_of_repeated(entries, path)
    return entries


def names_splits(path: Path) -> bool:
    """Whether a caption file states the splits of its images.

    Raises:
        DataError: it is not a caption file, or damaged.
    """
    return any(row.split is not None for row in read_rows(read_text(path), path, AskedColumns()).rows)


def _of_split(rows: Sequence[CaptionRow], split: str | None, path: Path) -> Sequence[CaptionRow]:
    splits = {row.split for row in rows if row.split is not None}
    if split is None and splits and len({row.split for row in rows}) > 1:
        images = Counter(own for own, _ in {(str(row.split or "none"), str(row.image)) for row in rows})
        names = listing(f"{name} ({counted(count, 'image')})" for name, count in sorted(images.items()))
        raise SeveralSplitsError(f"{path}: its images are of several splits: {names}", sorted(splits))
    if split is None or (split == ALL and ALL not in splits):
        return rows
    if not splits:
        if split in re.split(r"[^a-z0-9]+", path.stem.casefold()):
            return rows
        raise DataError(
            f"{path}: it states no splits, and its name does not contain {split!r}",
            hint="Name a file of that split, or leave out `split` to use every image.",
        )
    if split not in splits:
        same = [name for name in splits if name.casefold() == split.casefold()]
        if len(same) != 1:
            raise DataError(f"{path}: no split {split!r}; it has {listing(sorted(splits))}")
        (split,) = same
    return [row for row in rows if row.split == split]


def _name(row: CaptionRow, path: Path) -> str:
    name = row.image.replace("\\", "/") if isinstance(row.image, str) else ""
    if not is_below(name) or PureWindowsPath(name).drive:
        raise DataError(f"{path}: {row.image!r} is not a path below the folder of images")
    return str(PurePosixPath(name))


def _words(row: CaptionRow, path: Path) -> list[str]:
    words = []
    for caption in row.captions:
        if not isinstance(caption, str):
            raise DataError(f"{path}: image {row.image!r}: a caption must be a text, not {caption!r}")
        try:
            caption.encode()
        except UnicodeEncodeError as error:
            what = f"a caption ends in the middle of a character: {caption!r}"
            raise DataError(f"{path}: image {row.image!r}: {what}") from error
        words.append("" if is_blank(caption) else caption.strip())
    return words


def _tell_of_empty(captions: dict[str, list[str]], path: Path) -> None:
    empty = sum(not caption for own in captions.values() for caption in own)
    without = [image for image, own in captions.items() if not any(own)]
    found = ((empty, "caption", "without words"), (len(without), "image", "without captions"))
    if what := listed([f"{counted(count, noun)} {lack}" for count, noun, lack in found if count]):
        say(
            EMPTY_CAPTIONS,
            f"{what} in {path} {either(empty + len(without), 'was', 'were')} left out",
            brief=f"{what} left out",
            count=len(without) or empty,
            examples=without,
        )


def _tell_of_repeated(entries: Sequence[CaptionedImage], path: Path) -> None:
    repeated = [entry for entry in entries if len(set(entry.captions)) < len(entry.captions)]
    if repeated:
        what = counted(len(repeated), "image")
        say(
            REPEATED_CAPTIONS,
            f"{what} in {path} {either(len(repeated), 'has', 'have')} the same caption more than once, and every copy "
            "counts",
            brief=f"{what} with repeated captions",
            count=len(repeated),
            examples=[entry.image for entry in repeated],
        )
