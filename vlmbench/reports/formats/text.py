"""Writes a table as plain text, as a terminal shows it. ``vlmbench report --format text`` uses it."""

from __future__ import annotations

import io

from rich.console import Console

from vlmbench.reports.formats.terminal.render import PIPED_WIDTH, TerminalTable
from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table


def to_text(table: Table) -> str:
    """Plain lines of at most :data:`PIPED_WIDTH` characters. A line may be longer, because numbers are never cut."""
    file = io.StringIO()
    Console(file=file, width=PIPED_WIDTH, highlight=False).print(TerminalTable(table, PIPED_WIDTH), crop=False)
    return file.getvalue()


FORMAT = ReportFormat("text", to_text)
