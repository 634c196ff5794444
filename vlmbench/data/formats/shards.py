"""Finds the tar files of a webdataset: in the layout of the clip-benchmark repositories, or by a pattern.

The sources ``wds``, ``hub`` and ``captions`` use it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.labels import LISTED, listing
from vlmbench.data.location import candidates, exists, missing, read_text
from vlmbench.errors import DataError, MissingDataError
from vlmbench.wording import counted

_RANGE = re.compile(r"^([0-9]{1,18})\.\.([0-9]{1,18})$")
_SHARD = re.compile(r"(0|[1-9][0-9]{0,17})\.tar")
_DIGITS = 9
"""A number of shards with more digits is an error: no dataset has a billion files."""
_MOST_NAMES = 100_000
"""A pattern may match at most this many names. LAION-5B has 230,000 shards, in parts of 18,000 each."""
_INNERMOST_BRACES = re.compile(r"\{([^{}]*)\}")
_PATTERN_CHARACTERS = re.compile(r"[*?\[{]")
DEFAULT_SPLIT = "test"
CLASS_NAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
DATASET_TYPE = "dataset_type.txt"
SHARD_COUNT = "nshards.txt"
METADATA_FILES = (CLASS_NAMES, TEMPLATES, DATASET_TYPE)
"""Files that describe a dataset. They are beside the folders of the splits, or in them."""


@dataclass(frozen=True)
class Shards:
    """The tar files of one split.

    Attributes:
        tars: the tar files, in numeric order.
        split: the split's name; None if the location names the files themselves.
        metadata: the folders in which to look for the files that describe the dataset, in this order.
    """

    tars: tuple[Path, ...]
    split: str | None
    metadata: tuple[Path, ...]

    def metadata_file(self, name: str) -> Path | None:
        """The path of a file that describes the dataset, such as ``classnames.txt``; None if it does not exist."""
        return next((folder / name for folder in self.metadata if exists(folder / name)), None)


def find_shards(spec: SourceSpec, context: SourceContext) -> Shards:
    """Find the shards of a location: a dataset's root, a split's folder, one ``.tar``, a ``{0..9}`` or ``*`` pattern.

    Raises:
        MissingDataError: the location or the wanted split does not exist.
        DataError: there are several splits and none is named, or shards are missing.
    """
    found = (shards_at(place, spec) for place in candidates(spec.location, context))
    shards = next((each for each in found if each is not None), None)
    if shards is None:
        raise missing(spec, context)
    return shards


def shards_at(place: Path, spec: SourceSpec) -> Shards | None:
    """The shards at one of the places that a location may mean; None if nothing is there.

    Raises:
        MissingDataError, DataError: as :func:`find_shards`.
    """
    if exists(place):
        try:
            return _in_folder(place, spec) if place.is_dir() else _files([place])
        except OSError as error:
            raise DataError(f"{place} cannot be read: {error.strerror or error}") from error
    if pattern_begins(spec.location) is not None and (tars := _expand(str(place))):
        return _files(tars)
    return None


def pattern_begins(location: str) -> int | None:
    """The position of the first character that makes a location a pattern of files; None if it is no pattern."""
    found = _PATTERN_CHARACTERS.search(location)
    return found.start() if found else None


def shards_of_split(root: Path, split: str) -> Shards:
    """The shards of ``<root>/<split>/``. If it has an ``nshards.txt``, their number is checked.

    Raises:
        DataError: there are fewer or more shards than ``nshards.txt`` states, or no shards at all.
    """
    folder = root / split
    tars = sorted(folder.glob("*.tar"), key=_numeric)
    count = folder / SHARD_COUNT
    if exists(count):
        _check_count(count, [tar.name for tar in tars])
    if not tars:
        packed = [path.name for path in sorted(folder.glob("*.t*gz"))]
        why = f"only compressed ones ({listing(packed)}): unpack them to .tar" if packed else "no file ends in .tar"
        raise DataError(f"{folder} has no shards: {why}")
    return Shards(tuple(tars), split, (root, folder))


def _check_count(file: Path, names: Sequence[str]) -> None:
    """Compare the shards in the folder with the number in ``nshards.txt``."""
    text = read_text(file).strip()
    if not text.isdecimal():
        raise DataError(f"{file}: it must hold the number of shards, not {text[:40]!r}")
    digits = text.lstrip("0") or "0"
    if len(digits) > _DIGITS:
        raise DataError(
            f"{file}: {digits[:40]}{'…' if len(digits) > 40 else ''} cannot be the number of shards; the folder has "
            f"{len(names):,}",
            hint="The file is damaged: fetch it again, or write the number of .tar files into it.",
        )
    number = int(digits)
    there = {name for name in names if (match := _SHARD.fullmatch(name)) and int(match[1]) < number}
    if absent := number - len(there):
        first = islice((name for name in (f"{n}.tar" for n in range(number)) if name not in there), LISTED)
        more = f" and {absent - LISTED:,} more" if absent > LISTED else ""
        raise DataError(f"{file} states {text} shards; {absent:,} missing: {', '.join(first)}{more}")
    if extra := [name for name in names if name not in there]:
        raise DataError(f"{file} states {text} shards, but there are more: {listing(extra)}")


def has_shards(folder: Path, split: str | None) -> bool:
    """Whether a folder looks like a webdataset: it holds shards, or a folder in it does (if given, the split's)."""
    if _holds_shards(folder):
        return True
    inside = [folder / split] if split else [path for path in folder.iterdir() if path.is_dir()]
    return any(path.is_dir() and _holds_shards(path) for path in inside)


def _in_folder(place: Path, spec: SourceSpec) -> Shards:
    splits = sorted(entry.name for entry in place.iterdir() if entry.is_dir() and _holds_shards(entry))
    if spec.split is not None:
        if spec.split in splits or (place / spec.split).is_dir():
            return shards_of_split(place, spec.split)
        if _holds_shards(place) and place.resolve().name == spec.split:
            return shards_of_split(place.resolve().parent, spec.split)
        known = f"it has {listing(splits)}" if splits else "it has no splits"
        raise MissingDataError(f"{spec.kind} {spec.location!r}: no split {spec.split!r} in {place}: {known}")
    if _holds_shards(place):
        return shards_of_split(place.resolve().parent, place.resolve().name)
    if DEFAULT_SPLIT in splits:
        return shards_of_split(place, DEFAULT_SPLIT)
    if len(splits) == 1:
        return shards_of_split(place, splits[0])
    if splits:
        raise DataError(
            f"{spec.kind} {spec.location!r}: it has several splits, and the card names none of them: {listing(splits)}",
            hint="Name one as `split` of the card's source, or as the last folder of the location.",
        )
    raise DataError(
        f"{spec.kind} {spec.location!r}: {place} has no shards",
        hint=f"Expected: {place}/classnames.txt, {place}/test/nshards.txt, {place}/test/0.tar, 1.tar, ...",
    )


def _files(tars: list[Path]) -> Shards:
    folders = dict.fromkeys(folder for tar in tars for folder in (tar.parent, tar.parent.parent))
    return Shards(tuple(tars), None, tuple(folders))


def _expand(pattern: str) -> list[Path]:
    """The files that match a brace or glob pattern. Either all alternatives in braces exist, or none of them."""
    names = list(islice(expand_braces(pattern), _MOST_NAMES + 1))
    if len(names) > _MOST_NAMES:
        raise DataError(f"{pattern}: the pattern matches more than {_MOST_NAMES:,} names")
    found: list[Path] = []
    absent: list[str] = []
    for name in names:
        if exists(Path(name)):
            found.append(Path(name))
        elif matches := [Path(match) for match in glob.glob(name)]:
            found += sorted(matches, key=_numeric)
        else:
            absent.append(name)
    if found and absent:
        raise DataError(f"{pattern}: {counted(len(absent), 'shard')} missing: {listing(absent)}")
    return list(dict.fromkeys(found))


def expand_braces(pattern: str) -> Iterator[str]:
    """Expand ``{a,b}`` and ``{000..012}`` like a shell. Braces without a comma or range are not changed."""
    for match in _INNERMOST_BRACES.finditer(pattern):
        bounds = _RANGE.match(match[1])
        if bounds:
            first, last = bounds.groups()
            width = len(first) if first.startswith("0") or last.startswith("0") else 0
            step = 1 if int(first) <= int(last) else -1
            parts: Iterable[str] = (str(number).zfill(width) for number in range(int(first), int(last) + step, step))
        elif "," in match[1]:
            parts = match[1].split(",")
        else:
            continue
        for part in parts:
            yield from expand_braces(pattern[: match.start()] + part + pattern[match.end() :])
        return
    yield pattern


def _holds_shards(folder: Path) -> bool:
    return exists(folder / SHARD_COUNT) or next(folder.glob("*.tar"), None) is not None


def _numeric(path: Path) -> tuple[tuple[int, str], ...]:
    """A sort key that puts 2.tar before 10.tar."""
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.name))
