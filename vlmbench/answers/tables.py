"""A record with its table of predictions, and two such tables brought to the same samples in the same order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vlmbench.answers.columns import column, row_bytes
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.records import Record, Summary

TRUTH = {
    "classification": ("label", "labels"),
    "rare_actions": ("label",),
    "retrieval": ("captions",),
    "segmentation": ("truth",),
    "detection": ("truth_labels", "truth_boxes"),
}
"""Columns of each plugin's tables that say what was to be answered, where they are there."""


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

    Args:
        record: the record.
        folder: where it and its predictions lie.

    Raises:
        UnpairableError: it was imported, and has none.
        RecordError: the file is missing, broken, or not the record's own.
    """
    if record.predictions is None:
        raise UnpairableError(
            f"{record.model.name} on {record.task.name}: an imported record has no predictions to compare",
            hint="Ask the question again with `vlmbench run`.",
        )
    path = folder / record.predictions.file
    return Answers(record, read_table(path, record), str(path))


def read_table(path: Path, record: Summary, columns: Iterable[str] | None = None) -> pa.Table:
    """The table beside a record, checked against the hash and the rows that the record states.

    Args:
        path: the file.
        record: the record.
        columns: only these, where they are there; None: all.

    Raises:
        RecordError: the file is missing, broken, or not the record's own.
    """
    again = "Run the pair again with --force."
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: the predictions cannot be read: {error.strerror}", hint=again) from error
    stated = record.predictions
    if stated is None or sha256(content).hexdigest() != stated.sha256:
        raise RecordError(f"{path}: these are not the predictions that its record was written with", hint=again)
    try:
        file = pq.ParquetFile(BytesIO(content))  # pq.read_table imports pandas, for half a second
        wanted = None if columns is None else set(columns) & set(file.schema_arrow.names)
        table = file.read(columns=None if wanted is None else sorted(wanted))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise RecordError(f"{path}: no Parquet file that can be read: {error}", hint=again) from error
    if table.num_rows != stated.rows:
        raise RecordError(f"{path}: {table.num_rows:,} rows, but its record states {stated.rows:,}", hint=again)
    return table


def align(baseline: pa.Table, candidate: pa.Table, plugin: str) -> Aligned:
    """Pair the rows of two tables by what the samples are, whatever their order.

    A sample is its content with its truth. Where several are the same, those of the same id go together, then the rest
    in the order of their ids: sources may name the same files differently.

    Args:
        baseline: any order.
        candidate: any order.
        plugin: the task's, which knows where the truth is; of others' a sample is its content alone.

    Raises:
        UnpairableError: not one sample is in both.
        RecordError: a table has no content column.
    """
    truth = TRUTH.get(plugin, ())
    firsts, seconds = _keys(baseline, truth), _keys(candidate, truth)
    partner = _partners(firsts, seconds)
    left = [row for row, other in enumerate(partner) if other is not None]
    right = [other for other in partner if other is not None]
    taken = set(right)
    if not left:
        raise UnpairableError(
            f"of the baseline's {baseline.num_rows:,} samples and the candidate's {candidate.num_rows:,} "
            "not one is the same",
            hint="They are of other data, or of other labels.",
        )
    return Aligned(
        baseline=_taken(baseline, left),
        candidate=_taken(candidate, right),
        only_baseline=tuple(firsts[row][1] for row, other in enumerate(partner) if other is None),
        only_candidate=tuple(name for row, (_, name) in enumerate(seconds) if row not in taken),
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


def _keys(table: pa.Table, truth: Sequence[str]) -> list[tuple[tuple[bytes, ...], str]]:
    """Of each row what the sample is, and its id."""
    parts: list[Sequence[bytes]] = [row_bytes(table, "content")]
    parts += [row_bytes(table, name) for name in truth if name in table.column_names]
    return list(zip(zip(*parts, strict=True), column(table, "sample").to_pylist(), strict=True))


def _partners(
    firsts: list[tuple[tuple[bytes, ...], str]], seconds: list[tuple[tuple[bytes, ...], str]]
) -> list[int | None]:
    """For each of the first rows that of the second it goes with."""
    of_same: dict[tuple[bytes, ...], list[int]] = defaultdict(list)
    for row, (sample, _) in enumerate(seconds):
        of_same[sample].append(row)
    partner: list[int | None] = [None] * len(firsts)
    asking: dict[tuple[bytes, ...], list[int]] = defaultdict(list)
    for row, (sample, _) in enumerate(firsts):
        asking[sample].append(row)
    for sample, wanting in asking.items():
        offered = sorted(of_same.get(sample, ()), key=lambda row: seconds[row][1])
        by_id: dict[str, list[int]] = defaultdict(list)
        for row in offered:
            by_id[seconds[row][1]].append(row)
        for row in wanting:
            same_name = by_id[firsts[row][1]]
            if same_name:
                partner[row] = same_name.pop(0)
        used = {partner[row] for row in wanting}
        free = iter([row for row in offered if row not in used])
        for row in sorted((row for row in wanting if partner[row] is None), key=lambda row: firsts[row][1]):
            partner[row] = next(free, None)
    return partner


def _taken(table: pa.Table, chosen: list[int]) -> pa.Table:
    return table if chosen == list(range(table.num_rows)) else table.take(chosen)
