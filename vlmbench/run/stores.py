"""Where a run's records go: a results folder, or only back to the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vlmbench.errors import StoreError
from vlmbench.records import Failure, Record


class RecordStore(Protocol):
    """The store that a run needs. :class:`~vlmbench.store.ResultStore` is one."""

    def check_writable(self) -> None:
        """Check that records can be written, before any work starts.

        Raises:
            StoreError: they cannot be written.
        """

    def pair_records(self, model: str, task: str) -> Sequence[Record]:
        """Every readable record of one pair."""

    def find(self, model: str, task: str, run_id: str) -> Record | None:
        """The complete record of this run; None if it does not exist."""

    def file(self, model: str, task: str, run_id: str) -> Path | None:
        """The place of a record's file; None if records have no files."""

    def write(self, record: Record, predictions: bytes | None) -> Path | None:
        """Keep a record and its predictions; returns the record's file, if it has one."""

    def write_failure(self, failure: Failure, plan_id: str) -> Path | None:
        """Keep the reason why a pair has no record."""

    def clear_failure(self, model: str, task: str, plan_id: str) -> None:
        """Remove the reason, because the pair has a record now."""

    def visuals(self, record: Record) -> Path | None:
        """The folder of a record's pictures; None if pictures cannot be kept."""

    def write_visuals(self, record: Record, visuals: Mapping[str, bytes]) -> None:
        """Keep a record's pictures."""


class NoStore:
    """A :class:`RecordStore` that keeps nothing: records are returned, and no file is written or read."""

    def check_writable(self) -> None:
        pass

    def pair_records(self, model: str, task: str) -> Sequence[Record]:
        return ()

    def find(self, model: str, task: str, run_id: str) -> Record | None:
        return None

    def file(self, model: str, task: str, run_id: str) -> Path | None:
        return None

    def write(self, record: Record, predictions: bytes | None) -> Path | None:
        return None

    def write_failure(self, failure: Failure, plan_id: str) -> Path | None:
        return None

    def clear_failure(self, model: str, task: str, plan_id: str) -> None:
        pass

    def visuals(self, record: Record) -> Path | None:
        return None

    def write_visuals(self, record: Record, visuals: Mapping[str, bytes]) -> None:
        raise StoreError("pictures need a results folder", hint="Name one with --results.")
