"""The records of a results folder, each with a way to read its predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.tables import read_table
from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.entry import Entry
from vlmbench.records import Record
from vlmbench.store import ResultStore, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class RunEntries:
    """What a results folder holds.

    Attributes:
        entries: its records, imported ones too.
        left_out: why files were skipped.
    """

    entries: list[Entry]
    left_out: list[str]


def run_entries(results: Path) -> RunEntries:
    """The records of a results folder.

    Raises:
        UsageError: there is no such folder.
    """
    if not results.is_dir():
        raise UsageError(f"no results folder {str(results)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    store = ResultStore(results)
    found = list(store)
    return RunEntries(
        [run_entry(_path(store, record), record) for record in found if isinstance(record, Record)],
        [unreadable.reason for unreadable in found if isinstance(unreadable, Unreadable)],
    )


def run_entry(path: Path, record: Record) -> Entry:
    """A run's record that lies at this path, its predictions beside it."""
    return Entry(record, _table_reader(path, record), str(path))


def _path(store: ResultStore, record: Record) -> Path:
    return store.folder(record.model.name, record.task.name) / f"{record.id}.json"


def _table_reader(path: Path, record: Record) -> Callable[[], pa.Table]:
    def read() -> pa.Table:
        if record.predictions is None:
            raise RecordError(
                f"{path}: the record was imported and has no predictions",
                hint="Ask the question again with `vlmbench run`.",
            )
        return read_table(path.with_name(record.predictions.file), record)

    return read
