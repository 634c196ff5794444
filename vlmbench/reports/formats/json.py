"""Writes a table's numbers as JSON with full precision. ``vlmbench report --format json`` uses it."""

from __future__ import annotations

import json

from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table


def to_json(table: Table) -> str:
    """A JSON array of objects."""
    return json.dumps(list(table.data), indent=1, ensure_ascii=False) + "\n"


FORMAT = ReportFormat("json", to_json, for_programs=True)
