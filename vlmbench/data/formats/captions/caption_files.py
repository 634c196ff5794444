"""Files that say which captions an image has: COCO's, Karpathy's, BLIP's JSON, and Flickr's tables and token files."""

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

ALL = "all"
"""What asks for every split."""


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image's path, as its annotations name it, and its captions in their order."""

    image: str
    captions: tuple[str, ...]


class SeveralSplitsError(DataError):
    """A file says that its images are of several splits, and none was asked for.

    Attributes:
        splits: their names.
    """

    def __init__(self, message: str, splits: Sequence[str]) -> None:
        super().__init__(message)
        self.splits = splits


def read_captions(path: Path, split: str | None, asked: AskedColumns | None = None) -> list[CaptionedImage]:
    """Every image of an annotation file with its captions.

    Known are, told apart by their content: COCO's captions JSON (``images`` and ``annotations``); Karpathy's
    ``dataset_*.json`` (``images`` with ``sentences`` and a ``split``); lists or lines of JSON such as
    ``{"image": …, "caption": […]}``; ``{"a.jpg": […]}``; tables with a heading, whose columns
    :mod:`~vlmbench.data.formats.captions.columns` tells; Flickr's token files and ``image,caption`` without a heading.
    Blanks around captions go; captions without words, and images without captions, are left out with a remark.

    Args:
        split: which part; :data:`ALL`: all, whatever the file says of splits. None: all, if it says of none or one. A
            file that says nothing of splits is that part if its name says so.
        asked: the columns of a table that the user names.

    Raises:
        SeveralSplitsError: the file has several splits, and none is asked for.
        DataError: the file is none of these, damaged, or has not one image of the split.
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
        raise DataError(f"{path}: not one captioned image" + (f" of the split {split!r}" if split else ""))
    _tell_of_empty(captions, path)
    _tell_of_repeated(entries, path)
    return entries


def names_splits(path: Path) -> bool:
    """Whether a file of captions says which split its images are of.

    Raises:
        DataError: it is no file of captions, or damaged.
    """
    return any(row.split is not None for row in read_rows(read_text(path), path, AskedColumns()).rows)


def _of_split(rows: Sequence[CaptionRow], split: str | None, path: Path) -> Sequence[CaptionRow]:
    splits = {row.split for row in rows if row.split is not None}
    if split is None and splits and len({row.split for row in rows}) > 1:
        images = Counter(own for own, _ in {(str(row.split or "none"), str(row.image)) for row in rows})
        counted = [f"{name} ({count:,} image{'s' * (count != 1)})" for name, count in sorted(images.items())]
        raise SeveralSplitsError(f"{path}: its images are of several splits: {listing(counted)}", sorted(splits))
    if split is None or (split == ALL and ALL not in splits):
        return rows
    if not splits:
        if split in re.split(r"[^a-z0-9]+", path.stem.casefold()):
            return rows
        raise DataError(
            f"{path}: it says nothing of splits, and its name does not say that it is {split!r}",
            hint="Name a file of that split, or leave out `split` to take every image.",
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
        raise DataError(f"{path}: {row.image!r} is no path below the folder of images")
    return str(PurePosixPath(name))


def _words(row: CaptionRow, path: Path) -> list[str]:
    words = []
    for caption in row.captions:
        if not isinstance(caption, str):
            raise DataError(f"{path}: image {row.image!r}: {caption!r} is no caption, but a {type(caption).__name__}")
        try:
            caption.encode()
        except UnicodeEncodeError as error:
            what = f"a caption is cut within a character: {caption!r}"
            raise DataError(f"{path}: image {row.image!r}: {what}") from error
        words.append("" if is_blank(caption) else caption.strip())
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


def _tell_of_repeated(entries: Sequence[CaptionedImage], path: Path) -> None:
    repeated = [entry for entry in entries if len(set(entry.captions)) < len(entry.captions)]
    if repeated:
        one = len(repeated) == 1
        say(
            REPEATED_CAPTIONS,
            f"{len(repeated):,} image{'s' * (not one)} in {path} {'has' if one else 'have'} the same caption more than "
            "once, and each counts",
            brief=f"{len(repeated):,} image{'s' * (not one)} with repeated captions",
            count=len(repeated),
            examples=[entry.image for entry in repeated],
        )
