"""Reads the places of a results frame: results folders, baselines, files of records, and records in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from vlmbench.errors import RecordError, UsageError, warn_caller
from vlmbench.gate.baselines.store import open_baseline
from vlmbench.gate.sides import read_side, side_at, side_label
from vlmbench.records import Failure, Summary
from vlmbench.reports.entries import Entries, gather
from vlmbench.storage.locations import results_location
from vlmbench.storage.mirror import readable
from vlmbench.storage.shown import naming_urls, with_urls
from vlmbench.store import ResultStore
from vlmbench.wording import counted, either

Place: TypeAlias = "str | Path | Summary"
NAMED = 3
"""At most this number of files is named in a warning."""


@dataclass(frozen=True)
class SourceRead:
    """The records and failures of one place.

    Attributes:
        label: the place as the caller named it; "" for records in memory.
        entries: its records and failures.
    """

    label: str
    entries: Entries


def read_sources(places: Place | Iterable[Place], *, every: bool = False) -> list[SourceRead]:
    """Read every place once. Warnings name the files that are left out, and the places without a record.

    Args:
        places: a results folder, one model's folder in it, a record's file, a baseline's folder or name, the URL of
            one of these, a record, or several of these.
        every: keep older answers to the same question, too.

    Raises:
        UsageError: there is no such place.
    """
    given = list(places) if isinstance(places, Iterable) and not isinstance(places, str | Summary) else [places]
    wrong = [place for place in given if not isinstance(place, str | os.PathLike | Summary)]
    if wrong:
        raise UsageError(
            f"a results frame cannot be made of a {type(wrong[0]).__name__!r}",
            hint="Give a folder, a record's file, a baseline, a record, or a list of these.",
        )
    if any(not isinstance(place, Summary) and not str(place).strip() for place in given):
        raise UsageError("a results frame is not made of an empty name", hint="Name a folder, a file or a baseline.")
    with naming_urls():
        named: dict[str, str] = {}
        for place in given:
            if not isinstance(place, Summary):
                named.setdefault(_key(os.fspath(place)), os.fspath(place))
        read = [_read(name, every=every) for name in named.values()]
        if in_memory := list({id(place): place for place in given if isinstance(place, Summary)}.values()):
            read.append(SourceRead("", Entries(in_memory)))
        for source in read:
            _warn(source)
        return read


def _key(name: str) -> str:
    """What two spellings of one place share, so that its records are rows once."""
    place = results_location(name)
    if isinstance(place, Path):
        return os.path.realpath(place) if os.path.exists(place) else name
    return place.text


def _read(name: str, *, every: bool) -> SourceRead:
    label = side_label(name)
    path = readable(name)
    if not name.strip() or not os.path.exists(path):
        side = read_side(name)  # a baseline's name; raises an error if there is no baseline of this name
    elif path.is_dir() and any(path.glob("*/*/*.json")):
        return SourceRead(label, gather(ResultStore(path).summaries(), every=every))
    else:
        try:
            side = side_at(path, label=label)
        except RecordError as error:
            if not path.is_dir():
                raise UsageError(error.message, hint=error.hint) from error
            return _broken_baseline(path, label)
    found: list[Summary | Failure] = [*(entry.record for entry in side.entries), *side.failures]
    entries = gather(found, every=every)
    return SourceRead(label, replace(entries, left_out=[*entries.left_out, *side.notes]))


def _broken_baseline(path: Path, label: str) -> SourceRead:
    """The readable records of a baseline in which some records cannot be read."""
    try:
        baseline = open_baseline(path, broken_left_out=True)
    except RecordError as error:
        return SourceRead(label, Entries(left_out=[f"left out: {error.message}"]))
    left_out = [f"left out: {reason}" for reason in baseline.left_out]
    return SourceRead(label, Entries([entry.record for entry in baseline.entries], left_out=left_out))


def _warn(source: SourceRead) -> None:
    left_out: Sequence[str] = source.entries.left_out
    if left_out:
        shown = "; ".join(reason.removeprefix("left out: ") for reason in left_out[:NAMED])
        more = f"; and {len(left_out) - NAMED:,} more" if len(left_out) > NAMED else ""
        count = counted(len(left_out), "file")
        text = f"{source.label}: {count} {either(len(left_out), 'is', 'are')} left out: {shown}{more}"
        warn_caller(with_urls(text))
    if not source.entries.records and not source.entries.failures:
        warn_caller(f"{source.label}: there is no record here")
