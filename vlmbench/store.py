"""Keeps records on disk: the ResultStore. Each file is written completely or not at all.

A record is ``ROOT/<model>/<task>/<run id>.json``. Its answers are ``<run id>.parquet`` beside it, and its pictures, if
the user asked for some, ``<run id>.visuals/``. What workers wrote while they did the pair is ``<plan id>.log``. The
Parquet file is renamed into place first, so a record that exists is complete. A killed run leaves at most a hidden
temporary file, which the next run removes. Runs and importers write here; reports, the gate and exporters read.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from vlmbench.errors import RecordError
from vlmbench.files import is_regular, read_bytes, regular_sha256
from vlmbench.paths import safe_name
from vlmbench.record_checks import check_content, check_place, cut
from vlmbench.records import Failure, Record, Summary
from vlmbench.storage.disk import cannot_write, sweep, write_atomically
from vlmbench.storage.shown import with_urls

FAILED = ".failed.json"
LOG = ".log"
VISUALS = ".visuals"
MOST_RECORD_BYTES = 128 * 2**20
"""A record of a million classes is smaller."""
WRITERS = 8
"""Records that are written at the same time. For 4,500 records, one took 26 s, eight 2.4 s and sixteen 3.4 s."""


@dataclass(frozen=True)
class Unreadable:
    """A file in the store that is not a readable record: broken, of another program, or of a newer version."""

    path: Path
    reason: str


@dataclass(frozen=True)
class ResultStore:
    """Records under one folder.

    Args:
        root: the results folder; it is made when something is written.
    """

    root: Path
    _swept: set[Path] = field(default_factory=set, init=False, repr=False, compare=False)
    """The folders without temporary files of killed runs. Each is looked through once, since it may hold thousands."""

    def check_writable(self) -> None:
        """Check that records can be written, before any work starts.

        Raises:
            StoreError: the folder cannot be made or written to, or is not a folder.
        """
        probe = self.root / f".probe.{uuid4().hex}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"vlmbench")
            probe.unlink()
        except OSError as error:
            raise cannot_write(self.root, error) from error

    def folder(self, model: str, task: str) -> Path:
        """The folder of the records of one (model, task) pair."""
        return self.root / safe_name(model) / safe_name(task)

    def file(self, model: str, task: str, run_id: str) -> Path:
        """The place of a record's file, whether it is there or not."""
        return self.folder(model, task) / f"{run_id}.json"

    def write(self, record: Record, predictions: bytes | None) -> Path:
        """Write a record and its predictions; an older record of the same id is replaced.

        Args:
            record: the record; its ``predictions`` name the Parquet file and its hash.
            predictions: the content of that file; None if the record is imported and has no file.

        Raises:
            StoreError: the disk is full or the folder cannot be written. No half-written file stays.
        """
        folder = self.folder(record.model.name, record.task.name)
        path = folder / f"{record.id}.json"
        self._sweep_once(folder)
        if record.predictions is not None and predictions is not None:
            write_atomically(folder / record.predictions.file, predictions)
        write_atomically(path, entry_json(record))
        return path

    def write_all(self, records: Iterable[Record]) -> list[Record]:
        """Write records without predictions, several at a time, because a disk syncs eight files in the time of one.

        Returns:
            The written records. If two have the same place, the later one.

        Raises:
            StoreError: as :meth:`write`; some of the records may have been written.
        """
        places = {(record.model.name, record.task.name, record.id): record for record in records}
        write_several(self.write, places.values(), WRITERS)
        return list(places.values())

    def visuals(self, record: Record) -> Path:
        """The folder of a record's pictures. It need not exist."""
        return self.folder(record.model.saved_as, record.task.name) / f"{record.id}{VISUALS}"

    def has_visuals(self, record: Record) -> bool:
        """Whether a record has a folder of pictures."""
        return self.visuals(record).is_dir()

    def write_visuals(self, record: Record, visuals: Mapping[str, bytes]) -> None:
        """Write pictures to the folder ``<run id>.visuals`` beside a record. They replace those of an earlier run.

        Files that are not pictures are not removed.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        folder, pictures = self.visuals(record), {safe_name(name): content for name, content in visuals.items()}
        self._sweep_once(folder)
        for name, content in pictures.items():
            write_atomically(folder / name, content)
        for old in folder.glob("*.png"):
            if old.name not in pictures:
                try:
                    old.unlink(missing_ok=True)
                except OSError as error:
                    raise cannot_write(old, error) from error

    def write_failure(self, failure: Failure, plan_id: str) -> Path:
        """Write a note that a pair failed. :meth:`clear_failure` removes it when the pair succeeds."""
        path = self.folder(failure.model, failure.task) / f"{plan_id}{FAILED}"
        write_atomically(path, entry_json(failure))
        return path

    def clear_failure(self, model: str, task: str, plan_id: str) -> None:
        """Remove the note of an earlier failure and its log, since the pair has a record. Other logs stay."""
        folder = self.folder(model, task)
        note = folder / f"{plan_id}{FAILED}"
        if note.exists():
            note.unlink(missing_ok=True)
            (folder / f"{plan_id}{LOG}").unlink(missing_ok=True)

    def write_log(self, model: str, task: str, plan_id: str, text: str) -> str | None:
        """Write what workers wrote while they did a pair; an empty text removes the log of an earlier run.

        Returns:
            The file's path below the root; None if the text is empty.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        path = self.folder(model, task) / f"{plan_id}{LOG}"
        if not text:
            path.unlink(missing_ok=True)
            return None
        write_atomically(path, text.encode(errors="replace"))
        return path.relative_to(self.root).as_posix()

    def find(self, model: str, task: str, run_id: str) -> Record | None:
        """Find the complete record of this run. Returns None if there is no complete record.

        An unreadable file does not count. Neither do predictions that do not belong to the record, because two machines
        wrote at once or one was killed while it replaced them. The run is then done again and replaces the record. An
        imported record never counts as a run.
        """
        path = self.folder(model, task) / f"{run_id}.json"
        if not is_regular(path):
            return None
        try:
            record = _parse(Record, path)
            check_place(record, path)
        except RecordError:
            return None
        if record.predictions is None or record.imported is not None:
            return None
        try:
            found = regular_sha256(path.parent / record.predictions.file)
        except OSError:  # it does not exist, or is not a file
            return None
        return record if found == record.predictions.sha256 else None

    def read_ahead(self, pairs: Collection[tuple[str, str]]) -> None:
        """Does nothing: a disk is fast enough for one pair after the other."""

    def pair_records(self, model: str, task: str, *, known: Collection[str] = ()) -> list[Record]:
        """Every readable record of one pair.

        Args:
            known: run ids of records that are left out, because the caller has read them.
        """
        folder = self.folder(model, task)
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and name[:-5] not in known)
        except OSError:  # there are no records yet
            return []
        return [entry for entry in _read_all([folder / name for name in names], Record) if isinstance(entry, Record)]

    def __iter__(self) -> Iterator[Record | Failure | Unreadable]:
        """Every entry of the store, in the order of the paths."""
        yield from _read_all(self._paths(), Record)

    def summaries(self) -> Iterator[Summary | Failure | Unreadable]:
        """Every entry as in iteration, but without the records' classes: a tenth of the time and memory.

        An error in the classes alone is not found. A file that is not complete JSON is found.
        """
        yield from _read_all(self._paths(), Summary)

    def files_of(self, run_id: str) -> list[Path]:
        """The files of records with this run id. If no record has it, the files of records whose id begins with it."""
        found = [path for path in self._paths(f"{glob.escape(run_id)}*") if not path.name.endswith(FAILED)]
        return [path for path in found if path.stem == run_id] or found

    def pairs(self) -> tuple[list[Path], list[Path]]:
        """The folders of the pairs that have a record, and of those that have only a failure. Nothing is read."""
        paths = self._paths()
        answered = {path.parent for path in paths if not path.name.endswith(FAILED)}
        return sorted(answered), sorted({path.parent for path in paths} - answered)

    def _sweep_once(self, folder: Path) -> None:
        if folder not in self._swept:
            sweep(folder)
            self._swept.add(folder)

    def _paths(self, stem: str = "*") -> list[Path]:
        return sorted(self.root.glob(f"*/*/{stem}.json"))


def write_several(write: Callable[[Record, None], object], records: Iterable[Record], writers: int) -> None:
    """Write records without predictions, several at a time. After an error, no further one is begun.

    Args:
        write: writes one; its error is raised.
        writers: the largest number that is written at the same time.
    """
    with ThreadPoolExecutor(writers) as pool:
        writes = [pool.submit(write, record, None) for record in records]
        try:
            for each in writes:
                each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def read_record(path: Path) -> Record:
    """One record file.

    Raises:
        RecordError: it is broken, foreign or of a newer schema.
    """
    return _parse(Record, path)


def parse_record(data: bytes, where: str) -> Record:
    """A record from its file's content.

    Raises:
        RecordError: it is broken, foreign or of a newer schema.
    """
    return _parsed(Record, data, where)


SummaryT = TypeVar("SummaryT", bound=Summary)


def read_entry(path: Path) -> Record | Failure | Unreadable:
    """Read a file of a results folder. A problem is returned as an :class:`Unreadable`, not raised."""
    return _read(path, Record)


def parse_entry(data: bytes, path: PurePath) -> Summary | Failure | Unreadable:
    """An entry of a results folder from its file's content. A record is read without its classes.

    Args:
        path: the file below the folder, whose names must fit the content.
    """
    try:
        schema: type[Failure | Summary] = Failure if path.name.endswith(FAILED) else Summary
        entry = _parsed(schema, data, str(path))
        check_place(entry, Path(path))
    except RecordError as error:
        return Unreadable(Path(path), error.message)
    return entry


def _read_all(paths: list[Path], schema: type[SummaryT]) -> Iterator[SummaryT | Failure | Unreadable]:
    """Read the files in a store, and check that each is in its own place."""
    for path in paths:
        entry = _read(path, schema)
        try:
            if not isinstance(entry, Unreadable):
                check_place(entry, path)
            yield entry
        except RecordError as error:
            yield Unreadable(path, error.message)


def _read(path: Path, schema: type[SummaryT]) -> SummaryT | Failure | Unreadable:
    try:
        return _parse(Failure, path) if path.name.endswith(FAILED) else _parse(schema, path)
    except RecordError as error:
        return Unreadable(path, error.message)


EntryT = TypeVar("EntryT", bound=BaseModel)


def _parse(schema: type[EntryT], path: Path) -> EntryT:
    try:
        data = read_bytes(path, most=MOST_RECORD_BYTES)
    except OSError as error:
        raise RecordError(f"{with_urls(str(path))}: cannot be read: {error.strerror or error}") from error
    return _parsed(schema, data, with_urls(str(path)))


def _parsed(schema: type[EntryT], data: bytes, where: str) -> EntryT:
    try:
        entry = schema.model_validate_json(data, strict=True)
        if isinstance(entry, Summary):
            check_content(entry, data)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, problem["loc"])) or "file"
        raise _no_record(where, f"{place}: {problem['msg']}") from error
    except RecordError as error:
        raise _no_record(where, error.message) from error
    return entry


def _no_record(where: str, reason: str) -> RecordError:
    return RecordError(
        f"{where}: not a record this version reads: {cut(reason)}",
        hint="It is broken, of another program, or of a newer vlmbench.",
    )


def entry_json(entry: Record | Failure) -> bytes:
    """The content of the file of a record or failure."""
    return (entry.model_dump_json(by_alias=True, indent=1) + "\n").encode()
