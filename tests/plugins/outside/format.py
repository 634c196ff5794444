"""A table as lines of words."""

from __future__ import annotations

from vlmbench.reports.cells import plain
from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table


def write(table: Table) -> str:
    return "".join(" / ".join(plain(cell) for cell in row) + "\n" for row in table.rows)


FORMAT = ReportFormat("lines", write)
