"""Prints a table to a terminal. ``vlmbench report`` and every command that shows a table use it.

Rich's own table measures and wraps every cell as styled text: of nine columns, 10,000 rows take 23 s of processor time
instead of 2.2 s, and 50 rows 80 ms instead of 12 ms. It also has no headings over several columns or between rows. Here
a cell is padded if it fits its column, and Rich folds only longer ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from vlmbench.markup import printable
from vlmbench.reports.formats.terminal.chart import LOOKS, chart_lines
from vlmbench.reports.formats.terminal.layout import (
    Block,
    Piece,
    Widths,
    blocks,
    choice,
    folded,
    heading_lines,
    pieces,
    superscript,
)
from vlmbench.reports.table_data import Column, Table

PIPED_WIDTH = 160
"""The width of a table if the output is not a terminal and no width is given."""
_PLAIN, _STRONG, _BAD, _TITLE = Style(), Style(bold=True), Style(bold=True, color="red"), Style(italic=True)
_QUIET, _GROUP = Style(dim=True), Style(bold=True, color="yellow")
_LOOKS = {
    "": _PLAIN,
    "bad": _BAD,
    "quiet": _QUIET,
    "good": Style(bold=True, color="green"),
    "open": Style(bold=True, color="yellow"),
    "published": Style(color="cyan"),
    "best": _STRONG,
    "second": Style(underline=True),
    "best published": Style(color="cyan", bold=True),
    "second published": Style(color="cyan", underline=True),
}
_STYLES = {look: Style.parse(style) for look, style in LOOKS.items()}
_BAD_WORDS = frozenset(("failed", "unsupported"))
_END = Segment.line()
Line = list[tuple[str, Style]]


@dataclass(frozen=True)
class TerminalTable:
    """A table that Rich can print: headings, a rule, and rows. Cells are text, never markup or control codes.

    Attributes:
        table: the table. Empty columns are left out.
        width: the width of the window; None if it is not known. In a narrow window, spare columns are left out and
            named below the table. Then headings are broken, then the table is split into blocks below each other, and
            text is folded. Numbers are never folded.
    """

    table: Table
    width: int | None = None

    @property
    def columns(self) -> list[Column]:
        """The columns that are shown."""
        return [self.table.columns[i] for i in choice(self.table, pieces(self.table, styled=True), self.width).places]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay the table out, for Rich to print."""
        styled = console.is_terminal and not console.is_dumb_terminal
        rows = pieces(self.table, styled=styled)
        shown = choice(self.table, rows, self.width)
        if self.table.title:
            yield from _printed([(printable(self.table.title), _TITLE)], console, options.max_width)
        yield _END
        for number, block in enumerate(blocks(self.table, rows, shown.places, options.max_width)):
            if number:
                yield _END
            yield from self._block(block, rows, shown.sections, console, options.max_width)
        dropped = [(f"no room here for: {', '.join(shown.dropped)}", _QUIET)] if shown.dropped else []
        foot = [*self._foot(styled), *dropped]
        if foot:
            yield _END
        for line, style in foot:
            yield from _printed([(part, style) for part in [printable(line)]], console, options.max_width)
        for chart in self.table.charts:
            yield _END
            for drawn in chart_lines(chart, options.max_width):
                yield from _printed([(text, _STYLES[look]) for text, look in drawn])

    def _block(
        self,
        block: Block,
        rows: Sequence[Sequence[Piece]],
        sections: Mapping[int, str],
        console: Console,
        width: int,
    ) -> Iterator[Segment]:
        columns = [self.table.columns[place] for place in block.places]
        for heading in _headings(columns, block.widths):
            yield from _printed(heading)
        total = sum(widths.all for widths in block.widths) + 2 * (len(block.widths) - 1)
        yield from _printed([(" " + "─" * total + " ", _PLAIN)])
        for index, row in enumerate(rows):
            if index in sections:
                yield from _printed([(f" {printable(sections[index])}", _GROUP)], console, width)
            for line in _lines([row[place] for place in block.places], columns, block.widths):
                yield from _printed(line)

    def _foot(self, styled: bool) -> Iterator[tuple[str, Style]]:
        yield from ((line, _QUIET) for line in self.table.legend)
        if self.table.has_places:
            yield ("bold: best, underlined: second best" if styled else "*: best, +: second best"), _QUIET
        for text, letter in self.table.footnotes.items():
            yield f"{superscript(letter)} {text}", _QUIET
        yield from ((note, _QUIET) for note in self.table.notes)


def _headings(columns: Sequence[Column], widths: Sequence[Widths]) -> Iterator[Line]:
    if any(column.group for column in columns):
        line: Line = [(" ", _PLAIN)]
        for group, members in groupby(zip(columns, widths, strict=True), key=lambda pair: pair[0].group):
            room = sum(own.all + 2 for _, own in members) - 2
            line += [(_over(printable(group), room), _STRONG), ("  ", _PLAIN)]
        yield line
    parts = [
        heading_lines(printable(column.name), own.all) if column.align == "right" else [printable(column.name)]
        for column, own in zip(columns, widths, strict=True)
    ]
    height = max(map(len, parts), default=1)
    for number in range(height):
        line = [(" ", _PLAIN)]
        for part, column, own in zip(parts, columns, widths, strict=True):
            above = number - (height - len(part))  # the last line of each heading is just above the rule
            text = part[above] if above >= 0 else ""
            gap = " " * (own.all - cell_len(text))
            line.append((f"{gap}{text}  " if column.align == "right" else f"{text}{gap}  ", _STRONG))
        yield line


def _over(group: str, room: int) -> str:
    """A heading over several columns, with a rule on both sides if there is room."""
    if cell_len(group) > room:
        return set_cell_size(group, room - 1) + "…"
    if not group or cell_len(group) + 2 > room:
        return set_cell_size(group, room)
    return set_cell_size(f" {group} ".center(room - cell_len(group) + len(group), "─"), room)


def _lines(cells: Sequence[Piece], columns: Sequence[Column], widths: Sequence[Widths]) -> Iterator[Line]:
    """The lines of one row."""
    parts = [_folded(cell.text, cell.sign, own.text) for cell, own in zip(cells, widths, strict=True)]
    for number, texts in enumerate(zip_longest(*parts, fillvalue="")):
        line: Line = [(" ", _PLAIN)]
        for text, part, cell, column, own in zip(texts, parts, cells, columns, widths, strict=True):
            room = " " * (own.text - cell_len(text))
            style = _BAD if cell.text in _BAD_WORDS else _LOOKS[cell.look]
            if column.strong and style is _PLAIN:
                style = _STRONG
            if column.align == "right":
                line += [(room, _PLAIN), (text, style)]
                room = ""
            else:
                line.append((text, style))
            first = number == 0
            spread = f" {cell.spread if first else ''}".ljust(own.spread + 1) if own.spread else ""
            last = number == len(part) - 1
            marks = cell.marks if (last if column.align == "left" else first) else ""
            if column.align == "left":  # marks follow the end of the text
                line += [(marks, _PLAIN), (room, _PLAIN), (" " * (own.marks - len(marks)) + "  ", _PLAIN)]
            else:
                line += [(marks.ljust(own.marks), _PLAIN), (spread, _QUIET), ("  ", _PLAIN)]
        yield line


def _printed(line: Line, console: Console | None = None, width: int | None = None) -> Iterator[Segment]:
    """The segments of a line, with neighbours of one style joined. If a width is given, the line is folded to it."""
    if console is not None and width is not None and sum(cell_len(text) for text, _ in line) > width:
        ((text, style),) = line
        for folded in Text(text).wrap(console, width, overflow="fold"):
            yield from _printed([(folded.plain.rstrip(), style)])
        return
    joined, style = "", line[0][1]
    for text, own in line:
        if own is not style and text:
            yield Segment(joined, style)
            joined, style = "", own
        joined += text
    yield Segment(joined.rstrip(), style)
    yield _END


def _folded(text: str, sign: str, width: int) -> list[str]:
    """The lines of a cell. Further lines are indented to the text, not to its sign."""
    if cell_len(text) + len(sign) <= width and "\n" not in text and "\t" not in text:
        return [sign + text]
    lines = folded(text, width - len(sign))
    return [(" " * len(sign) if number else sign) + line for number, line in enumerate(lines)]
