"""A table's numbers as comma-separated values, with full precision."""

from __future__ import annotations

import csv
import io

from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table

MISSING = frozenset(
    ("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "n/a")
) | frozenset(("NULL", "NaN", "None", "nan", "null"))
"""What ``pandas.read_csv`` takes for a missing value, in quotation marks or not: its ``na_values``."""
_MARKED = ("=", "+", "-", "@", "\t", "\r", "'")
"""How formulas begin; and the mark itself, so that removing one apostrophe always gives the name."""
_NAMES = frozenset(("model", "task", "class"))
"""Columns in which an empty text is a name, and not a value that is missing."""


def to_csv(table: Table) -> str:
    """Comma-separated values, one line an object of the table's ``data``; what an object lacks is empty.

    A text gets an apostrophe before it if a reader would take it for something else: a spreadsheet for a formula, or
    pandas for a missing value, as a model that is called ``NA``; and so does
    one that begins with an apostrophe. To have the names as they are, remove one apostrophe
    from the beginning: ``frame.model.str.removeprefix("'")``.
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
