"""Writes a table's numbers as comma-separated values with full precision.

``vlmbench report --format csv``, ``export`` and the leaderboard's downloads use it.
"""

from __future__ import annotations

import csv
import io

from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table

MISSING = frozenset(
    ("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "n/a")
) | frozenset(("NULL", "NaN", "None", "nan", "null"))
"""Texts that ``pandas.read_csv`` takes for a missing value, with or without quotation marks: its ``na_values``."""
_MARKED = ("=", "+", "-", "@", "\t", "\r", "'")
"""The beginnings of formulas, and the apostrophe itself, so that removing one apostrophe always gives the name."""
_NAMES = frozenset(("model", "task", "class"))
"""Columns in which an empty text is a name, not a missing value."""


def to_csv(table: Table) -> str:
    """Comma-separated values: one line for each object of the table's ``data``. A missing field is empty.

    A text gets an apostrophe before it if a reader would misunderstand it: a spreadsheet would take it for a formula,
    or pandas for a missing value, for example a model named ``NA``. A text that begins with an apostrophe gets one,
    too. To get the names back, remove one apostrophe from the beginning: ``frame.model.str.removeprefix("'")``.
    """
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in table.data for name in row))
    if not names:
        return ""
    writer = csv.DictWriter(out, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_cell(name, value) for name, value in row.items()} for row in table.data)
    return out.getvalue()


def _csv_cell(column: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.startswith(_MARKED) or value in MISSING or (not value and column in _NAMES):
        return f"'{value}"
    return value


FORMAT = ReportFormat("csv", to_csv, for_programs=True)
