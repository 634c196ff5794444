"""The stores to which a run writes its records: the protocol of a store, which store fits a location, and a store that
keeps nothing.

``vlmbench/run/execute.py``, ``vlmbench/run/pictures.py`` and ``vlmbench import`` use them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vlmbench.errors import StoreError
from vlmbench.records import Failure, Record
from vlmbench.run.url_store import UrlStore
from vlmbench.storage.base import Location
from vlmbench.store import ResultStore


class RecordStore(Protocol):
    """What a run needs of a store. :class:`~vlmbench.store.ResultStore`, a results folder, has this protocol, and
    :class:`~vlmbench.run.url_store.UrlStore`, a results folder at a URL, has it too."""

    def check_writable(self) -> None:
        """Check that records can be written, before any work starts.

        Raises:
            StoreError: they cannot be written.
        """

    def read_ahead(self, pairs: Collection[tuple[str, str]]) -> None:
        """Told at the start of a run which pairs of a model and a task it will ask for: many can be read at once."""

    def pair_records(self, model: str, task: str, *, known: Collection[str] = ()) -> Sequence[Record]:
        """All readable records of one pair of a model and a task.

        Args:
            known: run ids of records that are left out, because the caller has read them.
        """

    def find(self, model: str, task: str, run_id: str) -> Record | None:
        """The complete record with this run id; None if there is no such record."""

    def file(self, model: str, task: str, run_id: str) -> Location | None:
        """The place of the record's file; None if this store has no files."""

    def write(self, record: Record, predictions: bytes | None) -> Location | None:
        """Keep a record and its predictions.

        Returns:
            The place of the record's file; None if this store has no files.
        """

    def write_failure(self, failure: Failure, plan_id: str) -> Location | None:
        """Keep the reason why a pair has no record."""

    def clear_failure(self, model: str, task: str, plan_id: str) -> None:
        """Remove this reason with its log, because the pair has a record now. Without a reason, a log stays."""

    def write_log(self, model: str, task: str, plan_id: str, text: str) -> str | None:
        """Keep what a worker wrote while it did a pair. It replaces the pair's older log; an empty text removes that.

        Returns:
            The file's path below the results folder; None if the text is empty or this store keeps no logs.
        """

    def visuals(self, record: Record) -> Location | None:
        """The folder for a record's pictures; None if this store cannot keep pictures."""

    def has_visuals(self, record: Record) -> bool:
        """Whether a record has pictures."""

    def write_visuals(self, record: Record, visuals: Mapping[str, bytes]) -> None:
        """Keep a record's pictures."""


def open_store(location: Location) -> ResultStore | UrlStore:
    """The store of a results folder, which need not exist. No request is made."""
    return ResultStore(location) if isinstance(location, Path) else UrlStore(location)


class NoStore:
    """A :class:`RecordStore` that keeps nothing. The run returns its records, and no file is written or read."""

    def check_writable(self) -> None:
        pass

    def read_ahead(self, pairs: Collection[tuple[str, str]]) -> None:
        pass

    def pair_records(self, model: str, task: str, *, known: Collection[str] = ()) -> Sequence[Record]:
        return ()

    def find(self, model: str, task: str, run_id: str) -> Record | None:
        return None

    def file(self, model: str, task: str, run_id: str) -> Location | None:
        return None

    def write(self, record: Record, predictions: bytes | None) -> Location | None:
        return None

    def write_failure(self, failure: Failure, plan_id: str) -> Location | None:
        return None

    def clear_failure(self, model: str, task: str, plan_id: str) -> None:
        pass

    def write_log(self, model: str, task: str, plan_id: str, text: str) -> str | None:
        return None

    def visuals(self, record: Record) -> Location | None:
        return None

    def has_visuals(self, record: Record) -> bool:
        return False

    def write_visuals(self, record: Record, visuals: Mapping[str, bytes]) -> None:
        raise StoreError("pictures need a results folder", hint="Name one with --results.")
