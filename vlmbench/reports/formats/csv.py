"""A table's numbers as comma-separated values, with full precision."""

from __future__ import annotations

import csv
import io

from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table


def to_csv(table: Table) -> str:
    """Comma-separated values, one line an object of the table's ``data``; what an object lacks is empty."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in table.data for name in row))
    if not names:
        return ""
    writer = csv.DictWriter(out, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in table.data)
    return out.getvalue()


def _csv_cell(value: object) -> object:
    """A name that begins like a formula must not become one in a spreadsheet."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


FORMAT = ReportFormat("csv", to_csv, for_programs=True)
