"""Reads lists of the clips of a split, as the authors of datasets publish them. The source ``frames`` uses it.

Two forms are known:

- text, one clip per line. After the path, a label may follow (``ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi 1``, as in
  UCF101), or a number of frames and a label (``ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01 164 0``, as in MMAction). These
  numbers are ignored: the class folder is the label.
- CSV with the columns label, youtube_id, time_start and time_end, as in Kinetics. A clip's path is
  ``<label>/<youtube_id>_<start>_<end>.mp4``, with both times in whole seconds, written with six digits. If there is a
  column split, the rows of the source's split are used; a list of several splits needs the source to name one.

A listed clip is found by its path, or else in its class folder by its name without the extension: it may be a folder of
frames, or the same video in another container.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.clips.video_suffixes import is_video_name
from vlmbench.data.image_files import readable
from vlmbench.data.labels import listing, normalise
from vlmbench.data.location import candidates, exists
from vlmbench.errors import DataError
from vlmbench.files import read_text
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MISSING_IMAGES
from vlmbench.wording import counted, either

_LABEL = re.compile(r"\s+-?[0-9]+$")
_KINETICS_COLUMNS = ("label", "youtube_id", "time_start", "time_end")


@dataclass(frozen=True)
class ClipList:
    """A list that was read.

    Attributes:
        path: the file of the list.
        names: the clips as ``<class folder>/<clip>``, made from columns or as written (a label may follow).
    """

    path: Path
    names: tuple[str, ...]


def find_list(name: str, root: Path, spec: SourceSpec, context: SourceContext) -> ClipList:
    """Find and read a list.

    Args:
        name: a path: absolute, or relative to the location, its parent, the data root or the working directory.
        root: the folder of class folders.

    Raises:
        DataError: the list is not found, cannot be read, or names no clips.
    """
    location = root if spec.split is None else root.parent
    places = [location / name, location.parent / name, *candidates(name, context)]
    for place in places:
        if exists(place):
            return ClipList(place, _read(place, spec.split))
    where = ", ".join(str(place) for place in dict.fromkeys(places))
    # Not MissingDataError: the clips are there, and the card's next source must not be used silently.
    raise DataError(f"{spec.kind} {spec.location!r}: its list {name!r} was not found at {where}")


def choose_listed(clips: Sequence[tuple[str, int]], listed: ClipList, *, partial: bool) -> list[int]:
    """The indices of the clips that are on the list, in order.

    Args:
        clips: (path below the root, label) of all clips in the folder.
        listed: the list.
        partial: leave out listed clips that are missing, with a remark.

    Raises:
        DataError: a listed clip is missing (without ``partial``), all are missing, or one exists twice.
    """
    by_path = {path: number for number, (path, _) in enumerate(clips)}
    by_name: dict[tuple[str, str], list[int]] = {}
    for number, (path, _) in enumerate(clips):
        by_name.setdefault(_key(path), []).append(number)
    chosen: set[int] = set()
    absent: list[str] = []
    for name in listed.names:
        bare = _LABEL.sub("", name)
        spellings = dict.fromkeys((name, bare, _LABEL.sub("", bare)))  # a folder of frames may itself end in a number
        found = next(filter(None, ([by_path[s]] if s in by_path else by_name.get(_key(s), []) for s in spellings)), [])
        if len(found) > 1:
            raise DataError(f"{listed.path}: {len(found)} clips may be {name}: {listing(clips[n][0] for n in found)}")
        chosen.update(found)
        absent.extend([] if found else [name])
    if absent and not (partial and chosen):
        raise DataError(
            f"{listed.path}: {len(absent):,} of the {len(listed.names):,} listed clips "
            f"{either(len(absent), 'is', 'are')} missing: {listing(absent)}",
            hint="To score only those that exist, add to the card's source: options: {partial: true}."
            if chosen
            else None,
        )
    if absent:
        say(
            MISSING_IMAGES,
            f"{len(absent):,} of the {len(listed.names):,} clips that {listed.path} lists "
            f"{either(len(absent), 'is missing and was', 'are missing and were')} left out, as `partial` asks",
            brief=f"{counted(len(absent), 'clip')} missing",
            count=len(absent),
            examples=map(readable, absent),
        )
    return sorted(chosen)


def _read(path: Path, split: str | None) -> tuple[str, ...]:
    try:
        text = read_text(path, encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    columns = [column.strip().casefold() for column in next(csv.reader(io.StringIO(text)), [])]
    if set(_KINETICS_COLUMNS) <= set(columns):
        rows = [*csv.reader(io.StringIO(text))][1:]
        names = _kinetics([dict(zip(columns, row, strict=False)) for row in rows], path, split)
    else:
        names = _lines(text)
    if not names:
        raise DataError(f"{path}: the list names no clips")
    return tuple(dict.fromkeys(names))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _kinetics(table: Sequence[Mapping[str, str]], path: Path, split: str | None) -> list[str]:
    splits = sorted({row["split"] for row in table if row.get("split")})
    if len(splits) > 1 and split not in splits:
        raise DataError(
            f"{path}: it lists the splits {listing(splits)}" + (f", but not {split!r}" if split else ""),
            hint="Name one of them as `split` of the card's source, or list the clips of one split only.",
        )
    names = []
    for number, row in enumerate(table, start=2):
        if not row or (len(splits) > 1 and row.get("split") != split):
            continue
        try:
            start, end = round(float(row["time_start"])), round(float(row["time_end"]))
        except (KeyError, ValueError, OverflowError) as error:
            raise DataError(f"{path}, row {number}: time_start and time_end must be numbers of seconds") from error
        names.append(f"{row['label']}/{row['youtube_id']}_{start:06d}_{end:06d}.mp4")
    return names


def _key(path: str) -> tuple[str, str]:
    """A clip's class folder after :func:`normalise`, and its name without the extension of a video."""
    pure = PurePosixPath(path)
    name = pure.stem if is_video_name(pure.name) else pure.name
    return normalise(pure.parts[0]), name
