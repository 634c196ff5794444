"""Keeps records in object storage: the :class:`~vlmbench.run.stores.RecordStore` of a results folder at a URL.

The names are those of a local results folder, ``<model>/<task>/<run id>.json``. The record is put last, in one request,
so a record that exists is complete. ``vlmbench run`` and ``vlmbench import`` write with it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from uuid import uuid4

from vlmbench.errors import RecordError, StoreError
from vlmbench.paths import safe_name
from vlmbench.record_checks import check_place
from vlmbench.records import Failure, Record
from vlmbench.storage.base import Entry, Url
from vlmbench.storage.mirror import Mirror
from vlmbench.storage.remote import RemoteFolder
from vlmbench.store import FAILED, LOG, MOST_RECORD_BYTES, VISUALS, entry_json, parse_record, write_several

REQUESTS = 16
"""Files that are read or written at the same time."""
FEW_PAIRS = 16
"""The records of this number of pairs are read pair by pair: a list of the whole folder could take longer."""


class UrlStore:
    """Records below a URL.

    Args:
        root: the URL of the results folder.
    """

    def __init__(self, root: Url) -> None:
        self.root = root
        self._folder = RemoteFolder(root)
        self._copy: Mirror | None = None
        self._notes: dict[str, frozenset[str]] = {}
        """The notes of failures by the folders of pairs, as they were when this run had the lease of the pair."""

    def check_writable(self) -> None:
        """Check that records can be written, before any work starts.

        Raises:
            StoreError: they cannot be written.
        """
        probe = f".probe.{uuid4().hex}"
        self._folder.write(probe, b"vlmbench")
        self._folder.remove(probe)

    def file(self, model: str, task: str, run_id: str) -> Url:
        """The place of a record's file, whether it is there or not."""
        return self.root / f"{_pair(model, task)}/{run_id}.json"

    def write(self, record: Record, predictions: bytes | None) -> Url:
        """Write a record and its predictions; an older record of the same id is replaced.

        Raises:
            StoreError: it cannot be written. No half-written file is there.
        """
        folder = _pair(record.model.name, record.task.name)
        if record.predictions is not None and predictions is not None:
            self._folder.write(f"{folder}/{record.predictions.file}", predictions)
        self._folder.write(f"{folder}/{record.id}.json", entry_json(record))
        return self.file(record.model.name, record.task.name, record.id)

    def write_all(self, records: Iterable[Record]) -> list[Record]:
        """Write records without predictions, several at a time.

        Returns:
            The written records. If two have the same place, the later one.

        Raises:
            StoreError: as :meth:`write`; some of the records may have been written.
        """
        places = {str(self.file(record.model.name, record.task.name, record.id)): record for record in records}
        write_several(self.write, places.values(), REQUESTS)
        return list(places.values())

    def write_failure(self, failure: Failure, plan_id: str) -> Url:
        """Write a note that a pair failed. :meth:`clear_failure` removes it when the pair succeeds."""
        folder = _pair(failure.model, failure.task)
        self._notes.pop(folder, None)
        name = f"{folder}/{plan_id}{FAILED}"
        self._folder.write(name, entry_json(failure))
        return self.root / name

    def clear_failure(self, model: str, task: str, plan_id: str) -> None:
        """Remove the note of an earlier failure and its log, since the pair has a record. Other logs stay."""
        folder = _pair(model, task)
        note, log = f"{folder}/{plan_id}{FAILED}", f"{folder}/{plan_id}{LOG}"
        notes = self._notes.get(folder)
        if note in notes if notes is not None else self._folder.entry(note) is not None:
            self._folder.remove(note)
            self._folder.remove(log)

    def write_log(self, model: str, task: str, plan_id: str, text: str) -> str | None:
        """Write what workers wrote while they did a pair; an empty text removes the log of an earlier run.

        Returns:
            The file's path below the root; None if the text is empty.

        Raises:
            StoreError: it cannot be written.
        """
        name = f"{_pair(model, task)}/{plan_id}{LOG}"
        if not text:
            self._folder.remove(name)
            return None
        self._folder.write(name, text.encode(errors="replace"))
        return name

    def visuals(self, record: Record) -> Url:
        """The folder of a record's pictures. It need not exist."""
        return self.root / _visuals(record)

    def has_visuals(self, record: Record) -> bool:
        """Whether a record has pictures."""
        return any(True for _ in self._folder.entries(_visuals(record)))

    def write_visuals(self, record: Record, visuals: Mapping[str, bytes]) -> None:
        """Write pictures beside a record. They replace those of an earlier run; files that are not pictures stay.

        Raises:
            StoreError: they cannot be written.
        """
        folder = _visuals(record)
        pictures = {f"{folder}/{safe_name(name)}": content for name, content in visuals.items()}
        old = [entry.name for entry in self._folder.entries(folder) if entry.name.endswith(".png")]
        with ThreadPoolExecutor(REQUESTS) as pool:
            list(pool.map(self._folder.write, pictures, pictures.values()))
            list(pool.map(self._folder.remove, [name for name in old if name not in pictures]))

    def find(self, model: str, task: str, run_id: str) -> Record | None:
        """Find the complete record of this run, as :meth:`vlmbench.store.ResultStore.find` does on disk.

        The predictions are read and compared unless it is certain that they were put before the record.
        """
        folder = _pair(model, task)
        with ThreadPoolExecutor(2) as pool:
            entry, predictions = pool.map(self._folder.entry, (f"{folder}/{run_id}.json", f"{folder}/{run_id}.parquet"))
        record = None if entry is None else self._record(entry)
        if entry is None or record is None or record.predictions is None or record.imported is not None:
            return None
        if predictions is None or record.predictions.file != f"{run_id}.parquet":
            return None
        if self._may_be_others(predictions, entry):
            try:
                content = self._content(predictions)
            except FileNotFoundError:
                return None
            if sha256(content).hexdigest() != record.predictions.sha256:
                return None
        return record

    def _may_be_others(self, predictions: Entry, record: Entry) -> bool:
        """Whether predictions may be of another run than the record.

        A run puts them first. If they came later, or in the same second, another run may have been killed before it
        could put its record. Without leases, two runs may write at once.
        """
        if not self._folder.can_create or predictions.written is None or record.written is None:
            return True
        return int(predictions.written) >= int(record.written)

    def read_ahead(self, pairs: Collection[tuple[str, str]]) -> None:
        """Bring the records of many pairs to the copy of this URL in the cache, several at a time.

        Predictions are brought if :meth:`find` will read them.
        """
        if len(pairs) <= FEW_PAIRS:
            return
        folders = frozenset(_pair(model, task) for model, task in pairs)
        copy = Mirror(self.root)
        try:
            copy.sync(lambda name: name.rpartition("/")[0] in folders and not name.endswith(FAILED))
            copy.bring(
                name
                for name, entry in copy.known.items()
                if name.endswith(".parquet")
                and name.rpartition("/")[0] in folders
                and (record := copy.known.get(f"{name.removesuffix('.parquet')}.json")) is not None
                and self._may_be_others(entry, record)
            )
        except StoreError as error:  # the records are read pair by pair
            logging.getLogger(__name__).info("no copy of %s", self.root, exc_info=error)
            return
        self._copy = copy

    def pair_records(self, model: str, task: str, *, known: Collection[str] = ()) -> list[Record]:
        """Every readable record of one pair.

        Args:
            known: run ids of records that are left out, because the caller has read them.
        """
        folder = _pair(model, task)
        entries = list(self._folder.entries(folder, deep=False))
        self._notes[folder] = frozenset(entry.name for entry in entries if entry.name.endswith(FAILED))
        entries = [
            entry
            for entry in entries
            if entry.name.endswith(".json")
            and not entry.name.endswith(FAILED)
            and entry.name.rpartition("/")[2].removesuffix(".json") not in known
        ]
        if not entries:
            return []
        with ThreadPoolExecutor(REQUESTS) as pool:
            return [record for record in pool.map(self._record, entries) if record is not None]

    def _record(self, entry: Entry) -> Record | None:
        """A record in its own place; None if there is no such file, or it is not a record."""
        where = str(self.root / entry.name)
        if entry.size > MOST_RECORD_BYTES:
            return None
        try:
            record = parse_record(self._content(entry), where)
            check_place(record, where)
        except (FileNotFoundError, RecordError):
            return None
        return record

    def _content(self, entry: Entry) -> bytes:
        content = self._copy.content(entry) if self._copy is not None else None
        return self._folder.read(entry.name) if content is None else content


def _pair(model: str, task: str) -> str:
    return f"{safe_name(model)}/{safe_name(task)}"


def _visuals(record: Record) -> str:
    return f"{_pair(record.model.saved_as, record.task.name)}/{record.id}{VISUALS}"
