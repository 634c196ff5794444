"""A table as data: columns, cells, sections, and what stands under it. How it looks is :mod:`.formats`' matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, product
from typing import Literal

from vlmbench.reports.cells import ORIGINS, SIGNS, Cell, Label, Score

Align = Literal["left", "right"]


@dataclass(frozen=True)
class Column:
    """One column's heading and alignment.

    Attributes:
        name: the heading.
        align: of its cells.
        strong: what the reader came for.
        spare: it gives way first where a window is too narrow for all; 0: never.
        group: a heading over several columns.
        repeats: it names the row, and stands again wherever a table goes on beside itself.
        heads: where a window is too narrow, its texts may stand as headings over the rows that share them.
    """

    name: str
    align: Align = "left"
    strong: bool = False
    spare: int = 0
    group: str = ""
    repeats: bool = False
    heads: bool = False

    @property
    def full_name(self) -> str:
        """With its group, where headings have one line only."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns.

    Attributes:
        title: what the table shows.
        columns: its columns.
        rows: one cell a column.
        data: the same numbers as plain values, one object a number, for JSON and CSV.
        notes: lines under the table.
        sections: headings between rows, by the index of the row that follows.
        left_out: why files were skipped; a terminal has it on standard error.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    data: Sequence[Mapping[str, object]]
    notes: Sequence[str] = field(default=())
    sections: Mapping[int, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @cached_property
    def footnotes(self) -> Mapping[str, str]:
        """Each footnote's letter, in reading order."""
        texts = dict.fromkeys(text for cell in self._cells() for text in footnotes_of(cell))
        return {text: letter for text, letter in zip(texts, _letters(), strict=False)}

    @cached_property
    def legend(self) -> tuple[str, ...]:
        """What its signs mean: of those that occur."""
        scores = [cell for cell in self._cells() if isinstance(cell, Score)]
        shown = {cell.origin for cell in self._cells() if isinstance(cell, Label)}
        lines = [" · ".join(f"{SIGNS[origin]} {ORIGINS[origin]}" for origin in SIGNS if origin in shown)]
        if any(score.spread for score in scores):
            lines.append("±: 95% interval, the larger of its halves")
        return tuple(filter(None, lines))

    @cached_property
    def spreads(self) -> tuple[str, ...]:
        """Each column's longest interval as it is shown, for which its other numbers leave room; "" without any."""
        columns = zip(*self.rows, strict=True) if self.rows else ([] for _ in self.columns)
        return tuple(
            max((cell.spread for cell in cells if isinstance(cell, Score)), key=len, default="") for cells in columns
        )

    @cached_property
    def has_places(self) -> bool:
        """Whether any number is marked as best of its column."""
        return any(isinstance(cell, Score) and cell.place for cell in self._cells())

    def letters(self, cell: Cell) -> str:
        """The letters of a cell's footnotes: "ac"; "" where it has none."""
        notes = footnotes_of(cell)
        return ",".join(self.footnotes[note] for note in notes) if notes else ""

    def _cells(self) -> Iterator[Cell]:
        return (cell for row in self.rows for cell in row if not isinstance(cell, str))


def footnotes_of(cell: Cell) -> tuple[str, ...]:
    """What is said of a cell under the table."""
    return () if isinstance(cell, str) else cell.notes


def _letters() -> Iterator[str]:
    """a to z, then aa, ab, …: digits would be read as part of a number."""
    for length in count(1):
        yield from map("".join, product("abcdefghijklmnopqrstuvwxyz", repeat=length))
