"""Reads what a results folder holds, for a merge: each record and failure with the facts by which one is chosen.

:mod:`vlmbench.merging.merge` uses it. Files of answers are not read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import PurePosixPath

from vlmbench.errors import StoreError
from vlmbench.records import Failure, Predictions, Summary
from vlmbench.storage.base import Folder
from vlmbench.store import FAILED, LOG, MOST_RECORD_BYTES, VISUALS, Unreadable, parse_entry

READERS = 16
"""Files that are read at the same time: object storage answers each after a while."""
_TOO_LARGE = "it is too large for a record"
_PICTURES = re.compile(rf"(?P<place>[^/]+/[^/]+/[^/]+){re.escape(VISUALS)}/[^/]+")


@dataclass(frozen=True)
class FoundRecord:
    """A readable record of a folder.

    Attributes:
        place: its path below the folder without ``.json``: model, task and run id.
        sha256: of its file. Two records are equal if their files are.
        started: when the question was asked.
        predictions: the file beside it; None if it is imported and has none.
        question: the names of the model and of the question.
        pictures: the paths of its pictures.
    """

    place: str
    sha256: str
    started: datetime
    predictions: Predictions | None
    question: tuple[str, str]
    pictures: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The path of the record's file below the folder."""
        return f"{self.place}.json"

    def beside(self, name: str) -> str:
        """The path of a file beside the record's."""
        return f"{self.place.rpartition('/')[0]}/{name}"


@dataclass(frozen=True)
class FoundFailure:
    """The note of a pair that gave no answer; the other attributes as in :class:`FoundRecord`.

    Attributes:
        log: the path of what a worker wrote while it did the pair; None if there is no such file.
    """

    name: str
    sha256: str
    started: datetime
    question: tuple[str, str]
    log: str | None = None


@dataclass(frozen=True)
class Contents:
    """What a results folder holds.

    Attributes:
        records: by their place.
        failures: by the path of their file.
        unreadable: the path of each file that is no record this version reads, with the reason.
    """

    folder: Folder
    records: Mapping[str, FoundRecord] = field(default_factory=dict)
    failures: Mapping[str, FoundFailure] = field(default_factory=dict)
    unreadable: Sequence[tuple[str, str]] = ()


Known = MutableMapping[tuple[str, str], "FoundRecord | FoundFailure | str"]
"""What files are, by their path and SHA-256: equal files of several folders are understood once."""


def read_contents(folder: Folder, known: Known) -> Contents:
    """Read all records and failures of a folder. A problem with one file is a part of the result.

    Args:
        known: what is known of files in other folders; what is read here is added.

    Raises:
        StoreError: the folder cannot be listed.
    """
    sizes = {entry.name: entry.size for entry in folder.entries()}
    names = list(sizes)
    every, pictures = frozenset(names), dict[str, list[str]]()
    for name in names:
        if found := _PICTURES.fullmatch(name):
            pictures.setdefault(found["place"], []).append(name)
    files = [name for name in names if name.endswith(".json") and name.count("/") == 2 and not name.startswith(".")]
    records: dict[str, FoundRecord] = {}
    failures: dict[str, FoundFailure] = {}
    unreadable: list[tuple[str, str]] = []
    for name, entry in zip(files, _read_all(folder, {name: sizes[name] for name in files}, known), strict=True):
        if isinstance(entry, FoundRecord):
            records[entry.place] = replace(entry, pictures=tuple(pictures.get(entry.place, ())))
        elif isinstance(entry, FoundFailure):
            log = name.removesuffix(FAILED) + LOG
            failures[name] = replace(entry, log=log if log in every else None)
        else:
            unreadable.append((name, entry))
    return Contents(folder, records, failures, unreadable)


def _read_all(folder: Folder, sizes: Mapping[str, int], known: Known) -> Iterable[FoundRecord | FoundFailure | str]:
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(
            lambda name: _TOO_LARGE if sizes[name] > MOST_RECORD_BYTES else _read(folder, name, known), sizes
        )


def _read(folder: Folder, name: str, known: Known) -> FoundRecord | FoundFailure | str:
    """A file as what it is, or why it cannot be used."""
    try:
        data = folder.read(name)
    except FileNotFoundError:
        return "it was removed while it was read"
    except StoreError as error:
        return error.message
    if len(data) > MOST_RECORD_BYTES:
        return _TOO_LARGE
    digest = sha256(data).hexdigest()
    if (name, digest) not in known:
        known[name, digest] = _understood(data, name, digest)
    return known[name, digest]


def _understood(data: bytes, name: str, digest: str) -> FoundRecord | FoundFailure | str:
    entry = parse_entry(data, PurePosixPath(name))
    if isinstance(entry, Unreadable):
        return entry.reason.removeprefix(f"{name}: ")  # the file is named beside the reason
    if isinstance(entry, Failure):
        return FoundFailure(name, digest, _time(entry.started), (entry.model, entry.asked))
    if entry.predictions is not None and not entry.predictions.file.startswith(f"{entry.id}."):
        return f"its file of answers {entry.predictions.file!r} has not the name of the record"
    return _found(entry, name, digest)


def _found(record: Summary, name: str, digest: str) -> FoundRecord:
    place = name.removesuffix(".json")
    return FoundRecord(place, digest, _time(record.run.started), record.predictions, (record.model.name, record.asked))


def _time(text: str) -> datetime:
    """A time of a record or failure. One without a time zone counts as UTC; a failure's may be no time at all."""
    try:
        found = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    except ValueError:
        return datetime.min.replace(tzinfo=timezone.utc)
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)
