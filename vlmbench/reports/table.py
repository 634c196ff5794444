"""A table as data, and its plain formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Align = Literal["left", "right"]


@dataclass(frozen=True)
class Column:
    """One column's heading and alignment.

    Attributes:
        name: the heading.
        align: of its cells.
        strong: what the reader came for.
        spare: it gives way first where a window is too narrow for all; 0: never.
    """

    name: str
    align: Align = "left"
    strong: bool = False
    spare: int = 0


@dataclass(frozen=True)
class Table:
    """Rows of text under columns.

    Attributes:
        title: what the table shows.
        columns: its columns.
        rows: one string a column.
        data: the same rows as plain values, for JSON and CSV.
        notes: lines under the table.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    data: Sequence[dict[str, object]]
    notes: Sequence[str] = field(default=())


def to_markdown(table: Table) -> str:
    """A GitHub table, cells escaped."""
    head = "| " + " | ".join(_markdown_cell(column.name) for column in table.columns) + " |"
    rule = "| " + " | ".join("---:" if column.align == "right" else "---" for column in table.columns) + " |"
    body = ["| " + " | ".join(map(_markdown_cell, row)) + " |" for row in table.rows]
    notes = [f"\n{_markdown_cell(note)}" for note in table.notes]
    return "\n".join([head, rule, *body, *notes]) + "\n"


def to_csv(table: Table) -> str:
    """Comma-separated values with full precision, one line a row of ``data``."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in table.data for name in row))
    writer = csv.DictWriter(out, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in table.data)
    return out.getvalue()


def to_json(table: Table) -> str:
    """A JSON array of objects."""
    return json.dumps(list(table.data), indent=1, ensure_ascii=False) + "\n"


def _markdown_cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(escaped.split())


def _csv_cell(value: object) -> object:
    """A name that begins like a formula must not become one in a spreadsheet."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")):
        return f"'{value}"
    return value
