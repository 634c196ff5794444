"""Lists of the clips that belong to a split, as the datasets' authors publish them.

Two spellings are read:

- text, one clip a line, with or without a label behind it (``ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1``): UCF101.
  The label plays no part: the class folder says what a clip shows.
- CSV with the columns label, youtube_id, time_start and time_end: Kinetics, whose clips are named
  ``<label>/<youtube_id>_<start>_<end>.mp4``, both times in whole seconds with six digits.

A listed clip is found under its path, else in its class folder under its name without the extension: a folder of its
frames, or the same video in another container.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.video import VIDEO_EXTENSIONS
from vlmbench.data.labels import listing, normalise
from vlmbench.data.location import candidates, exists
from vlmbench.errors import DataError
from vlmbench.files import read_text

_LABEL = re.compile(r"\s+-?[0-9]+$")
_KINETICS_COLUMNS = ("label", "youtube_id", "time_start", "time_end")


@dataclass(frozen=True)
class ClipList:
    """A list that was read.

    Attributes:
        path: its file.
        names: paths of clips, ``<class folder>/<clip>``, as they are written (a label may follow) or made from columns.
    """

    path: Path
    names: tuple[str, ...]


def find_list(name: str, root: Path, spec: SourceSpec, context: SourceContext) -> ClipList:
    """Find and read a list.

    Args:
        name: a path: absolute, or relative to the location, to its parent, or to wherever locations may lie.
        root: the folder of class folders.

    Raises:
        DataError: it is nowhere, cannot be read, or names no clip.
    """
    location = root if spec.split is None else root.parent
    places = [location / name, location.parent / name, *candidates(name, context)]
    for place in places:
        if exists(place):
            return ClipList(place, _read(place))
    where = ", ".join(str(place) for place in dict.fromkeys(places))
    # No MissingDataError: the clips are there, and another source of the card must not be taken without a word.
    raise DataError(f"{spec.kind} {spec.location!r}: its list {name!r} was not found at {where}")


def choose_listed(clips: Sequence[tuple[str, int]], listed: ClipList, *, partial: bool) -> list[tuple[str, int]]:
    """The clips that are on the list, in the order they had.

    Args:
        clips: (path below the root, label) of all that are there.
        listed: the list.
        partial: go on where some are missing.

    Raises:
        DataError: a listed clip is not there or is there twice, or none is.
    """
    by_path = {path: number for number, (path, _) in enumerate(clips)}
    by_name: dict[tuple[str, str], list[int]] = {}
    for number, (path, _) in enumerate(clips):
        by_name.setdefault(_key(path), []).append(number)
    chosen: set[int] = set()
    absent: list[str] = []
    for name in listed.names:
        spellings = dict.fromkeys((name, _LABEL.sub("", name)))  # a folder of frames may itself end in a number
        found = next(filter(None, ([by_path[s]] if s in by_path else by_name.get(_key(s), []) for s in spellings)), [])
        if len(found) > 1:
            raise DataError(f"{listed.path}: {name} is there {len(found)} times: {listing(clips[n][0] for n in found)}")
        chosen.update(found)
        absent.extend([] if found else [name])
    if absent and not (partial and chosen):
        raise DataError(
            f"{listed.path}: {len(absent):,} of {len(listed.names):,} listed clips are missing: {listing(absent)}",
            hint="To score those that are there, add to the card's source: options: {partial: true}."
            if chosen
            else None,
        )
    return [clips[number] for number in sorted(chosen)]


def _read(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path, encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    header = next(csv.reader(io.StringIO(text)), [])
    names = _kinetics(text, path) if set(_KINETICS_COLUMNS) <= set(header) else _lines(text)
    if not names:
        raise DataError(f"{path}: the list names no clip")
    return tuple(dict.fromkeys(names))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _kinetics(text: str, path: Path) -> list[str]:
    names = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            start, end = round(float(row["time_start"])), round(float(row["time_end"]))
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{path}, row {number}: time_start and time_end must be seconds") from error
        names.append(f"{row['label']}/{row['youtube_id']}_{start:06d}_{end:06d}.mp4")
    return names


def _key(path: str) -> tuple[str, str]:
    """A clip's class folder, however it is spelt, and its name without the extension of a video."""
    pure = PurePosixPath(path)
    name = pure.stem if pure.suffix.lower() in VIDEO_EXTENSIONS else pure.name
    return normalise(pure.parts[0]), name
