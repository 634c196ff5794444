"""Reads a record's table of predictions, and aligns two such tables to the same samples in the same order.

The gate, rankings, ``vlmbench show`` and the data frames read predictions here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlmbench.answers.columns import column, row_bytes
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.files import read_bytes
from vlmbench.kinds import known_kind
from vlmbench.paths import lies_beside
from vlmbench.records import Record, Summary
from vlmbench.storage.mirror import bring
from vlmbench.storage.shown import with_urls
from vlmbench.wording import counted

Places: TypeAlias = NDArray[np.intp]
"""The indices of rows in a table."""


@dataclass(frozen=True)
class Answers:
    """A record and its table of predictions, one row for each sample.

    Attributes:
        record: the record.
        table: the table, in any order. It has at least the columns that pairing needs.
        where: its name in messages: a file, or the name of a baseline.
    """

    record: Record
    table: pa.Table
    where: str


@dataclass(frozen=True)
class Aligned:
    """Two tables of the same samples in the order of the baseline.

    Attributes:
        baseline: the baseline's N rows.
        candidate: the candidate's N rows.
        only_baseline: ids of samples that the candidate lacks.
        only_candidate: ids of samples that the baseline lacks.
    """

    baseline: pa.Table
    candidate: pa.Table
    only_baseline: tuple[str, ...]
    only_candidate: tuple[str, ...]


def read_answers(record: Record, folder: Path) -> Answers:
    """A record's answers, from the file beside it.

    Raises:
        UnpairableError: the record was imported and has no answers.
        RecordError: the file is missing, broken, in another folder, or belongs to another record.
    """
    path = predictions_path(record, folder)
    return Answers(record, read_table(path, record), str(path))


def predictions_path(record: Summary, folder: Path) -> Path:
    """The path of the table of a record in this folder.

    Raises:
        UnpairableError: the record was imported and has no table.
        RecordError: the record names a file in another folder.
    """
    name = f"{record.model.name} on {record.task.name}"
    if record.predictions is None:
        raise UnpairableError(
            f"{name}: an imported record has no predictions to compare",
            hint="Ask the question again with `vlmbench run`.",
        )
    if not lies_beside(record.predictions.file):
        raise RecordError(
            f"{name}: its predictions {record.predictions.file!r} are not a file beside it",
            hint="Run the pair again with --force.",
        )
    return folder / record.predictions.file


def read_table(path: Path, record: Summary, columns: Iterable[str] | None = None) -> pa.Table:
    """The table beside a record, checked against the record's hash and number of rows. With ``columns``, it has only
    these columns, if they exist.

    Raises:
        RecordError: the file is missing, broken, or belongs to another record.
    """
    again, where = "Run the pair again with --force.", with_urls(str(path))
    bring([path])
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RecordError(f"{where}: the predictions cannot be read: {error.strerror or error}", hint=again) from error
    stated = record.predictions
    if stated is None or sha256(content).hexdigest() != stated.sha256:
        raise RecordError(f"{where}: these predictions do not belong to the record beside them", hint=again)
    try:
        file = pq.ParquetFile(BytesIO(content))  # pq.read_table would import pandas, which takes half a second
        wanted = None if columns is None else set(columns) & set(file.schema_arrow.names)
        table = file.read(columns=None if wanted is None else sorted(wanted))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).rstrip(". ")
        raise RecordError(f"{where}: cannot be read as a Parquet file: {reason}", hint=again) from error
    if table.num_rows != stated.rows:
        raise RecordError(f"{where}: {table.num_rows:,} rows, but its record states {stated.rows:,}", hint=again)
    return table


def align(baseline: pa.Table, candidate: pa.Table, plugin: str) -> Aligned:
    """Pair the rows of two tables by the content of their samples, in any order.

    Two samples are the same if content and truth are equal. Of several equal samples, those with equal ids form pairs;
    the rest are paired in the order of their ids, because sources may give the same files different names. The kind of
    task (``plugin``) knows which columns are the truth. If the kind is not installed, only the content counts.

    Raises:
        UnpairableError: the tables have no common sample.
        RecordError: a table has no content column.
    """
    kind = known_kind(plugin)
    truth = kind.truth if kind else ()
    firsts, seconds = _keys(baseline, truth), _keys(candidate, truth)
    names, other_names = column(baseline, "sample").to_pylist(), column(candidate, "sample").to_pylist()
    rows, others = _partners(firsts, names, seconds, other_names)
    if not len(rows):
        raise UnpairableError(
            f"the baseline's {counted(baseline.num_rows, 'sample')} and the candidate's "
            f"{counted(candidate.num_rows, 'sample')} have none in common",
            hint="They come from different data, or have different labels.",
        )
    return Aligned(
        baseline=_taken(baseline, rows),
        candidate=_taken(candidate, others),
        only_baseline=tuple(names[row] for row in _rest(len(names), rows)),
        only_candidate=tuple(other_names[row] for row in _rest(len(other_names), others)),
    )


def identical(aligned: Aligned, answers: Iterable[str], others: Iterable[str] = ()) -> bool:
    """Whether two tables have the same answers.

    Args:
        aligned: the tables.
        answers: columns that both must have, with equal values in every row. Answers that were made elsewhere may lack
            some of them, but not all; then both lack the same ones.
        others: columns that both may lack, or have with equal values in every row.
    """
    if aligned.only_baseline or aligned.only_candidate:
        return False
    names = set(aligned.baseline.column_names) & set(aligned.candidate.column_names)
    wanted = set(answers) & {*aligned.baseline.column_names, *aligned.candidate.column_names}
    return (
        bool(wanted)
        and wanted <= names
        and all(
            row_bytes(aligned.baseline, name) == row_bytes(aligned.candidate, name)
            for name in sorted(wanted | (names & set(others)))
        )
    )


def _keys(table: pa.Table, truth: Sequence[str]) -> list[tuple[bytes, ...]]:
    """A key of the sample of each row."""
    parts: list[Sequence[bytes]] = [row_bytes(table, "content")]
    parts += [row_bytes(table, name) for name in truth if name in table.column_names]
    return list(zip(*parts, strict=True))


def _partners(
    firsts: Sequence[Hashable], names: Sequence[str], seconds: Sequence[Hashable], other_names: Sequence[str]
) -> tuple[Places, Places]:
    """(P,) rows of the first table, in its order, and the (P,) rows of the second table that belong to them."""
    named = _in_turn(list(zip(firsts, names, strict=True)), list(zip(seconds, other_names, strict=True)))
    left = sorted(_rest(len(firsts), named[0]), key=names.__getitem__)
    right = sorted(_rest(len(seconds), named[1]), key=other_names.__getitem__)
    unnamed = _in_turn([firsts[row] for row in left], [seconds[row] for row in right])
    rows = np.concatenate([named[0], np.array(left, dtype=np.intp)[unnamed[0]]])
    others = np.concatenate([named[1], np.array(right, dtype=np.intp)[unnamed[1]]])
    order = np.argsort(rows)
    return rows[order], others[order]


def _in_turn(firsts: Sequence[Hashable], seconds: Sequence[Hashable]) -> tuple[Places, Places]:
    """Pairs of equal samples: the first with the first, the second with the second, and so on."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(chain(firsts, seconds)))}

    def numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
        """(n,) a different number for the first of equal keys, the second, and so on."""
        kinds = np.fromiter((codes[value] for value in values), np.int64, len(values))
        return _earlier(kinds) * len(codes) + kinds

    _, rows, others = np.intersect1d(numbered(firsts), numbered(seconds), assume_unique=True, return_indices=True)
    return rows.astype(np.intp), others.astype(np.intp)


def _earlier(kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the number of equal keys before each key."""
    order = np.argsort(kinds, kind="stable")
    starts = np.flatnonzero(np.diff(kinds[order], prepend=-1))
    earlier = np.empty(len(kinds), dtype=np.int64)
    earlier[order] = np.arange(len(kinds)) - np.repeat(starts, np.diff(starts, append=len(kinds)))
    return earlier


def _rest(count: int, rows: Places) -> list[int]:
    """All rows except these."""
    left = np.ones(count, dtype=bool)
    left[rows] = False
    return [int(row) for row in np.flatnonzero(left)]


def _taken(table: pa.Table, rows: Places) -> pa.Table:
    return table if np.array_equal(rows, np.arange(table.num_rows)) else table.take(pa.array(rows))
