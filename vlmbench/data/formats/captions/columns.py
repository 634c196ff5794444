"""Finds the columns of images, captions and splits in a table, by their headings. The source ``captions`` uses it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.split_words import SPLIT_OF
from vlmbench.data.image_files import readable
from vlmbench.data.labels import listing
from vlmbench.errors import DataError

_IMAGES = (
    *("image", "imagename", "imagepath", "imagefile", "imagefilename", "filename", "filepath", "file", "img"),
    *("imgname", "imgpath", "imgfile", "picture", "photo", "path", "imageid", "imgid", "name"),
)
"""Headings of the column of images, the most likely first. ``Image Name`` is written ``imagename``: in lower case,
without spaces and punctuation."""
_CAPTIONS = (
    *("caption", "captions", "captiontext", "text", "texts", "comment", "comments", "sentence", "sentences"),
    *("description", "descriptions", "raw"),
)
_SPLITS = ("split", "splits", "datasplit")
_PERHAPS_SPLITS = ("set", "subset", "partition", "phase")
"""Headings of a column that holds splits if all its cells are names of splits."""
_SPLIT_NAMES = frozenset((*SPLIT_OF, "restval"))
"""Names of splits in lower case. Karpathy's ``restval`` is the part of COCO's val2014 that is used for training."""
_SAMPLE = 50
"""The number of rows that are looked at to recognise columns."""


@dataclass(frozen=True)
class AskedColumns:
    """The headings that the user names: of the column of images, and of one or more columns of captions."""

    image: str | None = None
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Columns:
    """The positions of the columns, counted from 0.

    Attributes:
        image: the column of the images' names.
        captions: one or more columns of captions, in order.
        split: the column of the names of splits; None if there is no such column.
        lists: the heading of the captions is Flickr30k's ``raw``, so that each cell is a JSON list of captions.
    """

    image: int
    captions: tuple[int, ...]
    split: int | None = None
    lists: bool = False


def is_heading(cells: Sequence[str], asked: AskedColumns) -> bool:
    """Whether these cells are headings: one is a known heading of images or captions, and none is an image's name."""
    keys = {_key(cell) for cell in cells}
    known = {*_IMAGES, *_CAPTIONS, *map(_key, (asked.image or "image", *asked.captions))}
    return bool(keys & known) and not any(is_image_name(cell.strip()) for cell in cells)


def choose_columns(
    headings: Sequence[str], rows: Sequence[Sequence[object]], asked: AskedColumns, path: Path
) -> Columns:
    """Find the columns of images, captions and splits.

    Args:
        rows: rows of the table; only the first :data:`_SAMPLE` are looked at.

    Raises:
        DataError: the column of images or captions is missing, or several columns may be it.
    """
    keys = [_key(heading) for heading in headings]
    sample = [[row[place] for row in rows[:_SAMPLE] if place < len(row)] for place in range(len(headings))]
    image = _image_column(keys, sample, asked, headings, path)
    captions = _caption_columns(keys, sample, asked, headings, path, image)
    split = _split_column(keys, rows)
    lists = [keys[place] for place in captions] == ["raw"]
    return Columns(image, captions, None if split in (image, *captions) else split, lists)


def _key(heading: str) -> str:
    return re.sub(r"[\W_]+", "", heading).casefold()


def _image_column(
    keys: Sequence[str], sample: Sequence[Sequence[object]], asked: AskedColumns, headings: Sequence[str], path: Path
) -> int:
    if asked.image is not None:
        return _asked_column(asked.image, keys, headings, path)
    found = [keys.index(key) for key in _IMAGES if key in keys]
    named = [place for place in found or range(len(keys)) if _are_images(sample[place])]
    if len(found) == 1 or (found and not named):
        return found[0]
    files = {tuple(PurePosixPath(str(cell)).name for cell in sample[place]) for place in named}
    if len(files) == 1:
        return named[0]
    raise _unclear("images", "image_column", named, headings, path, example=next(iter(named), 0))


def _caption_columns(
    keys: Sequence[str],
    sample: Sequence[Sequence[object]],
    asked: AskedColumns,
    headings: Sequence[str],
    path: Path,
    image: int,
) -> tuple[int, ...]:
    if asked.captions:
        return tuple(_asked_column(name, keys, headings, path) for name in asked.captions)
    by_base = _numbered(keys)
    if len(by_base) == 1:
        return next(iter(by_base.values()))
    others = [place for place in range(len(keys)) if place != image]
    if not by_base and len(others) == 1 and not _are_numbers(sample[others[0]]):
        return (others[0],)
    known = [place for own in by_base.values() for place in own]
    texts = [place for place in others if not (_are_numbers(sample[place]) or _are_images(sample[place]))]
    raise _unclear("captions", "caption_column", known, headings, path, example=next(iter(known or texts), 0))


def _numbered(keys: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
    """The columns of captions, grouped by their heading without its number and sorted by the number."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, key in enumerate(keys):
        match = re.fullmatch(r"([^0-9]+)([0-9]{0,9})", key)
        if match and match[1] in _CAPTIONS:
            found[match[1].removesuffix("s")].append((int(match[2] or -1), place))
    return {base: tuple(place for _, place in sorted(own)) for base, own in found.items()}


def _split_column(keys: Sequence[str], rows: Sequence[Sequence[object]]) -> int | None:
    for key in _SPLITS:
        if key in keys:
            return keys.index(key)
    for key in _PERHAPS_SPLITS:
        if key in keys:
            place = keys.index(key)
            cells = {str(row[place]).strip().casefold() for row in rows if place < len(row)}
            if cells and cells <= _SPLIT_NAMES:
                return place
    return None


def is_split_name(cell: str) -> bool:
    """Whether a cell is a usual name of a split."""
    return cell.strip().casefold() in _SPLIT_NAMES


def _are_images(cells: Sequence[object]) -> bool:
    return bool(cells) and all(isinstance(cell, str) and is_image_name(cell.strip()) for cell in cells)


def _are_numbers(cells: Sequence[object]) -> bool:
    return bool(cells) and all(str(cell).strip().isdecimal() for cell in cells)


def _asked_column(name: str, keys: Sequence[str], headings: Sequence[str], path: Path) -> int:
    places = [place for place, heading in enumerate(headings) if heading.strip() == name]
    places = places or [place for place, key in enumerate(keys) if key == _key(name)]
    if len(places) != 1:
        what = f"{len(places)} columns are" if places else "no column is"
        raise DataError(f"{path}: {what} named {name!r}; it has the columns {_listed(headings)}")
    return places[0]


def _unclear(
    what: str, option: str, places: Sequence[int], headings: Sequence[str], path: Path, *, example: int
) -> DataError:
    if places:
        problem = f"several columns may hold the {what}: {_listed([headings[place] for place in places])}"
    else:
        problem = f"no heading is a known one for {what}; the columns are {_listed(headings)}"
    named = headings[example].strip()
    return DataError(
        f"{path}: {problem}", hint=f"Name the column in a card's source, such as options: {{{option}: {named}}}."
    )


def _listed(headings: Sequence[str]) -> str:
    return listing(readable(heading.strip()) or "(none)" for heading in headings)
