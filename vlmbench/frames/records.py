"""Finds the record of a predictions frame by its file, its folder or its run id, or takes it from memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.answers.tables import read_answers
from vlmbench.errors import RecordError, UsageError
from vlmbench.gate.entry import Entry
from vlmbench.gate.record_choice import no_such_record
from vlmbench.gate.sides import side_at, side_label
from vlmbench.paths import lies_beside
from vlmbench.records import Failure, Record
from vlmbench.storage.mirror import may_exist, readable
from vlmbench.store import ResultStore
from vlmbench.wording import counted, listed

if TYPE_CHECKING:
    import pyarrow as pa

NAMED = 5
"""At most this number of records is named in a message."""
_ID = re.compile(r"[0-9A-Za-z_-]{4,}")
"""The form of a run id, or of its beginning."""


def find_entry(record: Record | str | Path, results: Path) -> Entry:
    """The record, with a function that reads its table of predictions.

    Args:
        record: a record's file, its Parquet file, a folder with one record, a run id or its beginning, or a record.
        results: the results folder, in which run ids and the predictions of records in memory are looked up.

    Raises:
        UsageError: there is no such record, or several records are meant.
    """
    if isinstance(record, Record):
        return Entry(record, _table_in(record, results), f"{record.model.name} on {record.task.name}")
    if not isinstance(record, str | os.PathLike):
        raise UsageError(
            f"a predictions frame cannot be made of a {type(record).__name__!r}",
            hint="Give a record, its file, or its run id.",
        )
    name = os.fspath(record)
    path = readable(name)
    if path.suffix == ".parquet":
        path = path.with_suffix(".json")
    if name.strip() and os.path.exists(path):
        return _at(path)
    return _of_id(side_label(name), results)


def _table_in(record: Record, results: Path) -> Callable[[], pa.Table]:
    folder = ResultStore(results).folder(record.model.saved_as, record.task.name)

    def table() -> pa.Table:
        file = record.predictions.file if record.predictions is not None else ""
        if lies_beside(file) and not may_exist(folder / file):
            raise UsageError(
                f"{side_label(str(results))!r} has no predictions of this record",
                hint="Name the folder that has them: predictions_frame(record, results=DIR). An evaluation without "
                "results=DIR keeps none.",
            )
        return read_answers(record, folder).table

    return table


def _at(path: Path) -> Entry:
    try:
        side = side_at(path, label=side_label(str(path)))
    except RecordError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if len(side.entries) == 1:
        return side.entries[0]
    if side.entries:
        raise UsageError(
            f"{side.label!r} holds {counted(len(side.entries), 'record')}",
            hint=f"Name one of them: {listed([entry.where for entry in side.entries], 'or', NAMED)}.",
        )
    why = [note.removeprefix("left out: ") for note in side.notes] + [_failed(failure) for failure in side.failures]
    raise UsageError(f"{side.label!r} holds no record" + "".join(f"\n{reason}" for reason in why[:NAMED]))


def _failed(failure: Failure) -> str:
    return f"{failure.model} on {failure.asked} {failure.status}: {failure.message or failure.error}"


def _of_id(name: str, results: Path) -> Entry:
    if not _ID.fullmatch(name):
        hint = "Give a record's file, its run id (or at least the first 4 characters), or the record itself."
        raise no_such_record(name, results, hint=hint)
    files = ResultStore(results).files_of(name)
    if len(files) == 1:
        return _at(files[0])
    if not files:
        raise no_such_record(name, results, hint="Name the results folder: predictions_frame(RECORD, results=DIR).")
    raise UsageError(
        f"the ids of {counted(len(files), 'record')} in {side_label(str(results))!r} begin with {name!r}",
        hint=f"Name one of them: {listed([path.stem for path in files], 'or', NAMED)}.",
    )
