"""Prints lists of cards, and the fields of one card, as text or JSON. ``models``, ``tasks`` and ``baseline`` use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperGroup

from vlmbench.cli.console import print_aside, print_grid, print_table
from vlmbench.errors import UsageError
from vlmbench.reports.table_data import Column, Table

if TYPE_CHECKING:
    from pydantic import BaseModel

SHOWN_ITEMS = 12
"""Items of a long list that are printed; the others are counted."""


def pattern_or_command(default: str) -> type[TyperGroup]:
    """A group of commands in which ``vlmbench models PATTERN`` means ``vlmbench models list PATTERN``."""

    class PatternGroup(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # typer brings its own click
            if args[:1] not in (["--help"], ["-h"]) and (not args or args[0] not in self.commands):
                args = [default, *args]
            return super().parse_args(ctx, args)

    return PatternGroup


@dataclass(frozen=True)
class Listing:
    """Cards as a table or as JSON.

    Attributes:
        columns: headings.
        rows: one cell for each column.
        data: the same as plain values.
        nothing: the message for an empty list.
        hint: printed under the table, or with ``nothing``.
        legends: explain columns, under the table, a line each.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    data: Sequence[Mapping[str, Any]]
    nothing: str
    hint: str
    legends: Sequence[str] = ()

    def show(self, *, as_json: bool) -> None:
        """Print it.

        Raises:
            UsageError: the list is empty, and JSON was not asked for.
        """
        if as_json:
            typer.echo(json.dumps(list(self.data), indent=1, ensure_ascii=False))
            return
        if not self.rows:
            raise UsageError(self.nothing, hint=self.hint)
        print_table(Table("", self.columns, self.rows, [], notes=list(self.legends)))
        print_aside(f"\n{self.hint}")


CardT = TypeVar("CardT", bound="BaseModel")


def _dumped(card: BaseModel) -> Mapping[str, Any]:
    return card.model_dump(exclude_none=True)


def show_cards(
    cards: Sequence[CardT], *, as_json: bool, fields: Callable[[CardT], Mapping[str, Any]] = _dumped
) -> None:
    """Print cards with all their fields: as a JSON array, or one after the other as text.

    Args:
        cards: what is shown.
        as_json: print JSON with every field.
        fields: gives the fields that the text shows.
    """
    if as_json:
        typer.echo(json.dumps([card.model_dump() for card in cards], indent=1, ensure_ascii=False))
        return
    for index, card in enumerate(cards):
        if index:
            typer.echo()
        show_fields(fields(card))


def show_fields(fields: Mapping[str, Any]) -> None:
    """Print one card, one field per line. Long lists are cut, with the number of the other items."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            table.add_row(name.replace("_", " "), Text(_text(value)))
    print_grid(table)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items() if item not in (None, {}, []))
    if isinstance(value, list):
        separator = "\n" if any(isinstance(item, dict) or len(str(item)) > 30 for item in value[:SHOWN_ITEMS]) else ", "
        shown = separator.join(_text(item) for item in value[:SHOWN_ITEMS])
        rest = len(value) - SHOWN_ITEMS
        return f"{shown}{separator}… and {rest:,} more" if rest > 0 else shown
    return str(value)
