"""A table's numbers for programs, with full precision."""

from __future__ import annotations

import csv
import io
import json

from vlmbench.reports.table import Table


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


def to_json(table: Table) -> str:
    """A JSON array of objects."""
    return json.dumps(list(table.data), indent=1, ensure_ascii=False) + "\n"


def _csv_cell(value: object) -> object:
    """A name that begins like a formula must not become one in a spreadsheet."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
