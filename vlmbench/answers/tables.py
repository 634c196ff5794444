"""A record with its table of predictions, and two such tables brought to the same samples in the same order."""

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

Places: TypeAlias = NDArray[np.intp]
"""Of rows in a table."""


@dataclass(frozen=True)
class Answers:
    """A record and its table of predictions, one row a sample.

    Attributes:
        record: the record.
        table: the table, in any order; its columns are those that pairing needs, at least.
        where: what messages call it: a file, or a baseline's name.
    """

    record: Record
    table: pa.Table
    where: str


@dataclass(frozen=True)
class Aligned:
    """Two tables of the same samples in the same order, the baseline's.

    Attributes:
        baseline: N rows.
        candidate: N rows.
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
        UnpairableError: it was imported, and has none.
        RecordError: the file is missing, broken, elsewhere, or not the record's own.
    """
    path = predictions_path(record, folder)
    return Answers(record, read_table(path, record), str(path))


def predictions_path(record: Summary, folder: Path) -> Path:
    """Where the table of a record that lies in this folder is.

    Raises:
        UnpairableError: the record was imported, and has none.
        RecordError: it names one in another place.
    """
    name = f"{record.model.name} on {record.task.name}"
    if record.predictions is None:
        raise UnpairableError(
            f"{name}: an imported record has no predictions to compare",
            hint="Ask the question again with `vlmbench run`.",
        )
    if not lies_beside(record.predictions.file):
        raise RecordError(
            f"{name}: its predictions {record.predictions.file!r} are no file beside it",
            hint="Run the pair again with --force.",
        )
    return folder / record.predictions.file


def read_table(path: Path, record: Summary, columns: Iterable[str] | None = None) -> pa.Table:
    """The table beside a record, checked against the hash and the rows that the record states; with ``columns``, only
    these, where they are there.

    Raises:
        RecordError: the file is missing, broken, or not the record's own.
    """
    again = "Run the pair again with --force."
    try:
        content = read_bytes(path)
    except OSError as error:
        raise RecordError(f"{path}: the predictions cannot be read: {error.strerror or error}", hint=again) from error
    stated = record.predictions
    if stated is None or sha256(content).hexdigest() != stated.sha256:
        raise RecordError(f"{path}: these are not the predictions that its record was written with", hint=again)
    try:
        file = pq.ParquetFile(BytesIO(content))  # pq.read_table imports pandas, for half a second
        wanted = None if columns is None else set(columns) & set(file.schema_arrow.names)
        table = file.read(columns=None if wanted is None else sorted(wanted))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise RecordError(f"{path}: no Parquet file that can be read: {str(error).rstrip('. ')}", hint=again) from error
    if table.num_rows != stated.rows:
        raise RecordError(f"{path}: {table.num_rows:,} rows, but its record states {stated.rows:,}", hint=again)
    return table


def align(baseline: pa.Table, candidate: pa.Table, plugin: str) -> Aligned:
    """Pair the rows of two tables by what the samples are, whatever their order.

    A sample is its content with its truth. Where several are the same, those of the same id go together, then the rest
    in the order of their ids: sources may name the same files differently. The kind of
    task (``plugin``) knows where the truth is; of one that is not installed, a sample is its content alone.

    Raises:
        UnpairableError: not one sample is in both.
        RecordError: a table has no content column.
    """
    kind = known_kind(plugin)
    truth = kind.truth if kind else ()
    firsts, seconds = _keys(baseline, truth), _keys(candidate, truth)
    names, other_names = column(baseline, "sample").to_pylist(), column(candidate, "sample").to_pylist()
    rows, others = _partners(firsts, names, seconds, other_names)
    if not len(rows):
        raise UnpairableError(
            f"of the baseline's {baseline.num_rows:,} samples and the candidate's {candidate.num_rows:,} "
            "not one is the same",
            hint="They are of other data, or of other labels.",
        )
    return Aligned(
        baseline=_taken(baseline, rows),
        candidate=_taken(candidate, others),
        only_baseline=tuple(names[row] for row in _rest(len(names), rows)),
        only_candidate=tuple(other_names[row] for row in _rest(len(other_names), others)),
    )


def identical(aligned: Aligned, answers: Iterable[str], others: Iterable[str] = ()) -> bool:
    """Whether two tables are of one and the same behaviour.

    Args:
        aligned: the tables.
        answers: both have all these columns, and in every row the same in each.
        others: likewise, but that a table may be without.
    """
    if aligned.only_baseline or aligned.only_candidate:
        return False
    names = set(aligned.baseline.column_names) & set(aligned.candidate.column_names)
    wanted = set(answers)
    return wanted <= names and all(
        row_bytes(aligned.baseline, name) == row_bytes(aligned.candidate, name)
        for name in sorted(wanted | (names & set(others)))
    )


def _keys(table: pa.Table, truth: Sequence[str]) -> list[tuple[bytes, ...]]:
    """Of each row what the sample is."""
    parts: list[Sequence[bytes]] = [row_bytes(table, "content")]
    parts += [row_bytes(table, name) for name in truth if name in table.column_names]
    return list(zip(*parts, strict=True))


def _partners(
    firsts: Sequence[Hashable], names: Sequence[str], seconds: Sequence[Hashable], other_names: Sequence[str]
) -> tuple[Places, Places]:
    """(P,) rows of the first table, in its order, and (P,) those of the second that go with them."""
    named = _in_turn(list(zip(firsts, names, strict=True)), list(zip(seconds, other_names, strict=True)))
    left = sorted(_rest(len(firsts), named[0]), key=names.__getitem__)
    right = sorted(_rest(len(seconds), named[1]), key=other_names.__getitem__)
    unnamed = _in_turn([firsts[row] for row in left], [seconds[row] for row in right])
    rows = np.concatenate([named[0], np.array(left, dtype=np.intp)[unnamed[0]]])
    others = np.concatenate([named[1], np.array(right, dtype=np.intp)[unnamed[1]]])
    order = np.argsort(rows)
    return rows[order], others[order]


def _in_turn(firsts: Sequence[Hashable], seconds: Sequence[Hashable]) -> tuple[Places, Places]:
    """Where both have the same: the first of a kind here with the first of it there, the second with the second, ..."""
    codes = {value: code for code, value in enumerate(dict.fromkeys(chain(firsts, seconds)))}

    def numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
        """(n,) a number of its own for the first of a kind, the second, ..."""
        kinds = np.fromiter((codes[value] for value in values), np.int64, len(values))
        return _earlier(kinds) * len(codes) + kinds

    _, rows, others = np.intersect1d(numbered(firsts), numbered(seconds), assume_unique=True, return_indices=True)
    return rows.astype(np.intp), others.astype(np.intp)


def _earlier(kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) how many of a kind come before each."""
    order = np.argsort(kinds, kind="stable")
    starts = np.flatnonzero(np.diff(kinds[order], prepend=-1))
    earlier = np.empty(len(kinds), dtype=np.int64)
    earlier[order] = np.arange(len(kinds)) - np.repeat(starts, np.diff(starts, append=len(kinds)))
    return earlier


def _rest(count: int, rows: Places) -> list[int]:
    """All rows but these."""
    left = np.ones(count, dtype=bool)
    left[rows] = False
    return [int(row) for row in np.flatnonzero(left)]


def _taken(table: pa.Table, rows: Places) -> pa.Table:
    return table if np.array_equal(rows, np.arange(table.num_rows)) else table.take(pa.array(rows))
