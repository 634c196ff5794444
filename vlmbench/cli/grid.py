"""A table as a terminal shows it, in time that grows with its rows alone.

Rich's own table measures and wraps every cell as styled text, which takes seconds for ten thousand rows. Here a cell is
padded where it fits its column, and only one that does not is left to Rich to fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from vlmbench.reports.table import Column

NARROWEST = 8
"""Cells of a column that folds, at least: in windows narrower than that, lines run over."""
_PLAIN, _STRONG, _BAD, _TITLE = Style(), Style(bold=True), Style(bold=True, color="red"), Style(italic=True)
_CONTROL = dict.fromkeys([*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)])
"""All but tabs and ends of lines: what a name could move the cursor or change colours with."""
_BAD_WORDS = frozenset(("failed", "unsupported"))


@dataclass(frozen=True)
class Grid:
    """Headings over a rule over rows, columns two cells apart. Cells are text, never markup or control codes.

    Attributes:
        title: above it; may be empty.
        columns: those that are shown. Right-aligned ones are never folded.
        rows: one cell a column.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What Rich prints."""
        rows = [[cell.translate(_CONTROL) for cell in row] for row in self.rows]
        widths = _widths(self.columns, rows, options.max_width)
        if self.title:
            yield Segment(self.title, _TITLE)
            yield Segment.line()
        yield Segment.line()
        yield from _row([column.name for column in self.columns], self.columns, widths, console, heading=True)
        yield Segment(" " + "─" * (sum(widths) + 2 * (len(widths) - 1)) + " ")
        yield Segment.line()
        for row in rows:
            yield from _row(row, self.columns, widths, console)
        yield Segment.line()


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Cells of each column: what it needs, the widest that fold cut down to one size until all fit the window."""
    needed = [max(cell_len(column.name), *(cell_len(row[i]) for row in rows), 0) for i, column in enumerate(columns)]
    foldable = [index for index, column in enumerate(columns) if column.align == "left"]
    spare = width - 2 * len(columns) - sum(needed[index] for index in range(len(columns)) if index not in foldable)
    cut = max(NARROWEST, *needed) if needed else NARROWEST
    while cut > NARROWEST and sum(min(needed[index], cut) for index in foldable) > spare:
        cut -= 1
    return [min(need, cut) if index in foldable else need for index, need in enumerate(needed)]


def _row(
    cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], console: Console, *, heading: bool = False
) -> Iterator[Segment]:
    """One row's lines; neighbours of one style share a segment."""
    parts = [_lines(cell, width, console) for cell, width in zip(cells, widths, strict=True)]
    styles = [
        _BAD if cell in _BAD_WORDS else _STRONG if heading or column.strong else _PLAIN
        for cell, column in zip(cells, columns, strict=True)
    ]
    for line in zip_longest(*parts, fillvalue=""):
        text, style = " ", _PLAIN
        for part, own, column, width in zip(line, styles, columns, widths, strict=True):
            if own is not style:
                yield Segment(text, style)
                text, style = "", own
            room = " " * (width - cell_len(part))
            text += (room + part if column.align == "right" else part + room) + "  "
        yield Segment(text[:-1], style)
        yield Segment.line()


def _lines(cell: str, width: int, console: Console) -> list[str]:
    if cell_len(cell) <= width and "\n" not in cell and "\t" not in cell:
        return [cell]
    return [line.plain.rstrip() for line in Text(cell).wrap(console, width, overflow="fold")]
