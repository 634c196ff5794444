"""Defines a table as data: columns, cells, sections and notes.

Builders and commands make tables in this form, and :mod:`.formats` write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count, product
from typing import Literal

from vlmbench.reports.cells import ORIGINS, SIGNS, Cell, Label, Score
from vlmbench.reports.line_chart import LineChart

Align = Literal["left", "right"]


@dataclass(frozen=True)
class Column:
    """One column's heading and alignment.

    Attributes:
        name: the heading.
        align: the alignment of its cells.
        strong: whether it is the most important column.
        spare: in a narrow window the column with the highest number is dropped first; 0: it is never dropped.
        group: a heading over several columns.
        repeats: whether it names the row; if a table is split into parts side by side, each part shows it.
        heads: whether, in a narrow window, its texts may become headings over the rows that share them.
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
        """The heading with its group, for formats with one line of headings."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns.

    Attributes:
        title: what the table shows.
        columns: its columns.
        rows: one cell for each column.
        data: the same numbers as plain values for JSON and CSV, one object a number.
        notes: lines under the table.
        sections: headings between rows, by the index of the row that follows.
        left_out: why files were left out; a terminal shows it on standard error.
        charts: what a terminal draws below the table.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    data: Sequence[Mapping[str, object]]
    notes: Sequence[str] = field(default=())
    sections: Mapping[int, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    charts: Sequence[LineChart] = ()

    def with_charts(self, charts: Sequence[LineChart]) -> Table:
        """The table with charts below it."""
        return replace(self, charts=charts)

    @cached_property
    def footnotes(self) -> Mapping[str, str]:
        """Each footnote's letter, in reading order."""
        texts = dict.fromkeys(text for cell in self._cells() for text in footnotes_of(cell))
        return {text: letter for text, letter in zip(texts, _letters(), strict=False)}

    @cached_property
    def legend(self) -> tuple[str, ...]:
        """What the signs in the table mean."""
        scores = [cell for cell in self._cells() if isinstance(cell, Score)]
        shown = {cell.origin for cell in self._cells() if isinstance(cell, Label)}
        lines = [" · ".join(f"{SIGNS[origin]} {ORIGINS[origin]}" for origin in SIGNS if origin in shown)]
        if any(score.spread for score in scores):
            lines.append("±: 95% interval, the larger of its halves")
        return tuple(filter(None, lines))

    @cached_property
    def spreads(self) -> tuple[str, ...]:
        """Each column's longest interval as it is shown; "" without intervals. Other numbers leave this room."""
        columns = zip(*self.rows, strict=True) if self.rows else ([] for _ in self.columns)
        return tuple(
            max((cell.spread for cell in cells if isinstance(cell, Score)), key=len, default="") for cells in columns
        )

    @cached_property
    def has_places(self) -> bool:
        """Whether any number is marked as the best of its column."""
        return any(isinstance(cell, Score) and cell.place for cell in self._cells())

    def letters(self, cell: Cell) -> str:
        """The letters of a cell's footnotes: "a,c"; "" without footnotes."""
        notes = footnotes_of(cell)
        return ",".join(self.footnotes[note] for note in notes) if notes else ""

    def _cells(self) -> Iterator[Cell]:
        return (cell for row in self.rows for cell in row if not isinstance(cell, str))


def footnotes_of(cell: Cell) -> tuple[str, ...]:
    """The footnotes of a cell."""
    return () if isinstance(cell, str) else cell.notes


def _letters() -> Iterator[str]:
    """a to z, then aa, ab, …: digits would be read as part of a number."""
    for length in count(1):
        yield from map("".join, product("abcdefghijklmnopqrstuvwxyz", repeat=length))
