"""Joins results folders: copies complete records, their answers and pictures, and failures that no record answers.

``vlmbench merge`` calls it. Each file is written completely or not at all, the record last, and what is there already
is not written again: the same merge continues one that was stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Literal, TypeVar

from vlmbench.errors import StoreError
from vlmbench.merging.contents import Contents, FoundRecord, Known, read_contents
from vlmbench.storage.base import Folder, Location
from vlmbench.storage.folders import open_folder

WRITERS = 16
"""Records that are copied at the same time: most of the time goes by until the disk, or the storage, has a file."""
Status = Literal["new", "same", "replaced", "not kept"]
"""What became of a record of a folder: it was copied; the output has an equal one; it was copied and took the place of
another record in the output; or another record of the same run id was kept."""


@dataclass(frozen=True)
class Choice:
    """Two different records of one run id, of which one was kept.

    Attributes:
        place: model, task and run id.
        kept: the folder of the record that was kept.
        other: the folder of the record that was not.
        reason: why.
    """

    place: str
    kept: Location
    other: Location
    reason: str


@dataclass
class FolderOutcome:
    """What became of the content of one folder.

    Attributes:
        location: the folder.
        counts: the complete records, by what became of them.
        failures: failures that were copied, or that stay in the output.
        unreadable: the path of each file that was not copied, with the reason.
    """

    location: Location
    counts: dict[Status, int] = field(default_factory=lambda: {"new": 0, "same": 0, "replaced": 0, "not kept": 0})
    failures: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def records(self) -> int:
        """The number of complete records."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Merged:
    """The result of a merge.

    Attributes:
        folders: the outcome of each folder; the output itself is first, if it held anything.
        choices: the records that differ from others of the same run id.
        records: the number of records in the output.
        cleared: failures that were removed from the output, because another folder has the answer.
    """

    folders: Sequence[FolderOutcome]
    choices: Sequence[Choice]
    records: int
    cleared: int


def merge(folders: Sequence[Location], output: Location) -> Merged:
    """Join results folders into one, which may exist and may be one of them.

    Of different records with one run id, those with a file of answers come before those without one, then the one that
    was started last, then the one whose file has the larger SHA-256: the result does not depend on the order of the
    folders. A failure is copied if no folder has an answer to its question; of several, the last.

    Raises:
        StoreError: a folder cannot be read, or the output cannot be written. Files that are there are complete.
    """
    others = [each for each in folders if not _are_same(each, output)]
    opened = [open_folder(each) for each in (output, *_distinct(others))]
    known: Known = {}
    contents = [read_contents(folder, known) for folder in opened]
    work = _Work(contents, [FolderOutcome(folder.location) for folder in opened])
    answered: set[tuple[str, str]] = set()
    kept = 0
    for record in _at_once(work.join, sorted({place for each in contents for place in each.records})):
        if record is not None:
            answered.add(record.question)
            kept += 1
    names = sorted({name for each in contents for name in each.failures})
    cleared = sum(_at_once(lambda name: work.join_failure(name, answered), names))
    for outcome, each in zip(work.outcomes, contents, strict=True):
        outcome.unreadable[:] = sorted([*each.unreadable, *outcome.unreadable])
    is_shown = len(others) < len(folders) or any((contents[0].records, contents[0].failures, contents[0].unreadable))
    choices = sorted(work.choices, key=lambda choice: (choice.place, str(choice.other)))
    return Merged(work.outcomes[0 if is_shown else 1 :], choices, kept, cleared)


ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def _at_once(work: Callable[[ItemT], ResultT], items: Sequence[ItemT]) -> Iterator[ResultT]:
    """The results of some work, done for several items at the same time. After an error no item is begun."""
    with ThreadPoolExecutor(WRITERS) as pool:
        begun = [pool.submit(work, item) for item in items]
        try:
            for each in begun:
                yield each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _distinct(folders: Sequence[Location]) -> list[Location]:
    return [each for place, each in enumerate(folders) if not any(_are_same(each, one) for one in folders[:place])]


def _are_same(one: Location, other: Location) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return os.path.realpath(one) == os.path.realpath(other)
    return one == other


class _DamagedError(Exception):
    """A record without its complete answers."""


@dataclass
class _Work:
    """Copies into the first of several folders. Several threads use it.

    Attributes:
        contents: of the folders; the first is the output.
        outcomes: of the folders; filled while it works.
    """

    contents: Sequence[Contents]
    outcomes: Sequence[FolderOutcome]
    choices: list[Choice] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def join(self, place: str) -> FoundRecord | None:
        """Bring the best complete record of a place to the output, and count the others.

        Returns:
            The record that the output has now; None if no folder has a complete one.

        Raises:
            StoreError: the output cannot be written.
        """
        there = {number: each.records[place] for number, each in enumerate(self.contents) if place in each.records}
        equal: dict[str, list[int]] = {}
        for number, record in there.items():
            equal.setdefault(record.sha256, []).append(number)
        kept, damaged = None, dict[int, str]()
        for group in sorted(equal.values(), key=lambda group: _worth(there[group[0]]), reverse=True):
            if kept is not None:
                self._leave_out(group, kept, there)
                continue
            for number in group:
                try:
                    status = self._bring(number, group, there)
                except _DamagedError as error:
                    damaged[number] = str(error)
                    continue
                kept = number
                statuses: dict[int, Status] = {other: "same" for other in group if other not in damaged}
                self._count(statuses | {number: status})
                break
        if kept is not None:
            damaged.pop(0, None)  # the output's own is complete now
        with self.lock:
            for number, reason in damaged.items():
                self.outcomes[number].unreadable.append((there[number].file, reason))
        return None if kept is None else there[kept]

    def _count(self, statuses: Mapping[int, Status]) -> None:
        with self.lock:
            for number, status in statuses.items():
                self.outcomes[number].counts[status] += 1

    def _leave_out(self, group: Sequence[int], kept: int, there: Mapping[int, FoundRecord]) -> None:
        self._count(dict.fromkeys(group, "not kept"))
        best, reason = there[kept], _reason(there[kept], there[group[0]])
        locations = [each.folder.location for each in self.contents]
        with self.lock:
            self.choices += [Choice(best.place, locations[kept], locations[number], reason) for number in group]

    def _bring(self, number: int, equal: Sequence[int], there: Mapping[int, FoundRecord]) -> Status:
        """Copy a record to the output, unless it is there, and pictures that the output lacks.

        Args:
            equal: the folders with this record.

        Raises:
            _DamagedError: it is not complete.
            StoreError: the output cannot be written.
        """
        record, output = there[number], self.contents[0].folder
        files = _complete(self.contents[number].folder, record)
        with_pictures = next((each for each in (number, *equal) if there[each].pictures), None)
        if with_pictures and not (number == 0 and record.pictures):
            self._copy_pictures(with_pictures, there)
        if number == 0:
            return "same"
        for name, data in files.items():  # the record is the last
            output.write(name, data)
        return "replaced" if 0 in there and there[0].sha256 != record.sha256 else "new"

    def _copy_pictures(self, number: int, there: Mapping[int, FoundRecord]) -> None:
        """Copy a record's pictures. They take the place of another record's."""
        source, output = self.contents[number], self.contents[0]
        for name in there[number].pictures:
            try:
                data = source.folder.read(name)
            except (FileNotFoundError, StoreError) as error:
                with self.lock:
                    self.outcomes[number].unreadable.append((name, f"a picture that cannot be read: {error}"))
                continue
            output.folder.write(name, data)
        if 0 in there:
            for old in set(there[0].pictures) - set(there[number].pictures):
                output.folder.remove(old)

    def join_failure(self, name: str, answered: Collection[tuple[str, str]]) -> bool:
        """Bring the last note of a failed pair to the output, or remove it there if its question has an answer.

        Returns:
            Whether it was removed from the output.

        Raises:
            StoreError: the output cannot be written.
        """
        output = self.contents[0]
        there = {number: each.failures[name] for number, each in enumerate(self.contents) if name in each.failures}
        open_ones = {number: each for number, each in there.items() if each.question not in answered}
        if not open_ones:
            if 0 in there:
                _remove(output.folder, name, there[0].log)
            return 0 in there
        last = max(open_ones, key=lambda number: (open_ones[number].started, open_ones[number].sha256, -number))
        if 0 not in there or there[0].sha256 != there[last].sha256:
            try:
                files = {each: self.contents[last].folder.read(each) for each in (there[last].log, name) if each}
            except FileNotFoundError:  # a run has just answered the pair
                return False
            for each, data in files.items():  # the note is the last: it names the log
                output.folder.write(each, data)
        with self.lock:
            self.outcomes[last].failures += 1
        return False


def _remove(folder: Folder, *names: str | None) -> None:
    for name in names:
        if name is not None:
            folder.remove(name)


def _worth(record: FoundRecord) -> tuple[bool, datetime, str]:
    return record.predictions is not None, record.started, record.sha256


def _reason(kept: FoundRecord, other: FoundRecord) -> str:
    if (kept.predictions is None) != (other.predictions is None):
        return "it has a file of answers"
    if kept.started != other.started:
        return f"it was started later, at {kept.started.isoformat()} and not at {other.started.isoformat()}"
    return "both were started at the same time, and the SHA-256 of its file is the larger one"


def _complete(folder: Folder, record: FoundRecord) -> dict[str, bytes]:
    """The files of a record, its answers first.

    Raises:
        _DamagedError: one of them is missing, or has another content.
    """
    asked = [(record.file, record.sha256)]
    if record.predictions is not None:
        asked.insert(0, (record.beside(record.predictions.file), record.predictions.sha256))
    files = {}
    for name, expected in asked:
        try:
            files[name] = folder.read(name)
        except FileNotFoundError:
            raise _DamagedError(f"its file {PurePosixPath(name).name} is missing") from None
        except StoreError as error:
            raise _DamagedError(error.message) from error
        if sha256(files[name]).hexdigest() != expected:
            raise _DamagedError(f"its file {PurePosixPath(name).name} has another content than the record states")
    return files
