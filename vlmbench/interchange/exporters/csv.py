"""Writes records as tidy CSV: one row for each model, task and metric. ``vlmbench export -f csv`` uses it."""

from __future__ import annotations

from collections.abc import Iterable

from vlmbench.asked import remarks_of
from vlmbench.frames.result_columns import RESULT_COLUMNS
from vlmbench.interchange.registry import Exporter
from vlmbench.records import Summary
from vlmbench.reports.formats.csv import to_csv
from vlmbench.reports.table_data import Table

COLUMNS = (
    *("model", "task", "metric", "value", "ci95_low", "ci95_high", "n", "reason", "chance", "unit", "higher_is_better"),
    *("main", "kind", "task_version", "split", "samples", "standard_samples", "bad_samples", "limit", "seed"),
    *("transfer", "shots", "draw", "track", "setting", "learnt_from", "transfer_options"),
    *("precision", "device", "images_per_second", "started", "weights_sha256", "imported_from", "remarks", "run_id"),
)
"""The columns of the file: some of those of a results frame, with the same meaning."""


def tidy_csv(records: Iterable[Summary]) -> str:
    """Every metric of every record, with the columns that distinguish records.

    Numbers have full precision, a missing value is an empty cell, and booleans are True or False, so that
    ``pandas.read_csv`` reads the file without options. A name that begins like a spreadsheet's formula, or that pandas
    would take for a missing value (``NA``, ``null``), gets an apostrophe before it; see
    :func:`~vlmbench.reports.formats.csv.to_csv`.
    """
    known = {column.name: column for column in RESULT_COLUMNS}
    rows = [
        {column: known[column].value(record, name, remarks) for column in COLUMNS}
        for record in records
        for remarks in [remarks_of(record)]
        for name in record.metrics
    ]
    return to_csv(Table("", (), (), rows)) if rows else ",".join(COLUMNS) + "\n"


EXPORTER = Exporter("csv", "one row for each model, task and metric", tidy_csv)
