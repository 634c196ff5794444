"""Writes a table as Markdown in GitHub's form. ``vlmbench report --format md`` uses it."""

from __future__ import annotations

from collections.abc import Iterable

from vlmbench.markup import escape_markdown as escape
from vlmbench.reports.cells import Cell, Score, signed
from vlmbench.reports.registry import ReportFormat
from vlmbench.reports.table_data import Table

PLACES = {0: "{}", 1: "**{}**", 2: "<u>{}</u>"}


def to_markdown(table: Table) -> str:
    """The table: the best number bold, the second underlined, footnotes as letters. Names are escaped."""
    head = _line(escape(column.full_name) for column in table.columns)
    rule = _line("---:" if column.align == "right" else "---" for column in table.columns)
    body = []
    for index, row in enumerate(table.rows):
        if index in table.sections:
            body.append(_line([f"**{escape(table.sections[index])}**", *[""] * (len(table.columns) - 1)]))
        body.append(_line(_cell(table, cell) for cell in row))
    return "\n".join([head, rule, *body, *(f"\n{line}" for line in _foot(table))]) + "\n"


def _cell(table: Table, cell: Cell) -> str:
    letters = table.letters(cell)
    mark = f"<sup>{letters}</sup>" if letters else ""
    if not isinstance(cell, Score):
        return escape(signed(cell)) + mark
    spread = f" {cell.spread}" if cell.spread else ""
    return PLACES[cell.place].format(escape(cell.text)) + mark + spread


def _foot(table: Table) -> list[str]:
    places = ["**bold**: best; <u>underlined</u>: second best"] if table.has_places else []
    letters = [f"<sup>{letter}</sup> {escape(text)}" for text, letter in table.footnotes.items()]
    return [*(escape(line) for line in table.legend), *places, *letters, *map(escape, [*table.notes, *table.left_out])]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


FORMAT = ReportFormat("md", to_markdown)
