"""A record of a results folder, with a way to read its predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.tables import read_table
from vlmbench.errors import RecordError
from vlmbench.gate.entry import Entry, lies_beside
from vlmbench.records import Record

if TYPE_CHECKING:
    import pyarrow as pa


def run_entry(path: Path, record: Record) -> Entry:
    """A run's record that lies at this path, its predictions beside it."""
    return Entry(record, _table_reader(path, record), str(path))


def _table_reader(path: Path, record: Record) -> Callable[[], pa.Table]:
    def read() -> pa.Table:
        if record.predictions is None:
            raise RecordError(
                f"{path}: the record was imported and has no predictions",
                hint="Ask the question again with `vlmbench run`.",
            )
        if not lies_beside(record.predictions.file):
            raise RecordError(
                f"{path}: its predictions {record.predictions.file!r} are no file beside it",
                hint="Run the pair again with --force.",
            )
        return read_table(path.with_name(record.predictions.file), record)

    return read
