"""Draws a chart of lines with characters. The terminal's tables print it below their notes.

Each line has a letter, and from the 53rd line a digit. Without colours, and in a file, they alone tell the lines apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits

from vlmbench.reports.cells import number
from vlmbench.reports.line_chart import ChartLine, LineChart

HEIGHT = 12
"""Lines of the plot, without its axis."""
WIDEST, NARROWEST = 64, 20
"""Characters of the plot, without the numbers on its left."""
LOOKS: Mapping[str, str] = {
    "": "none",
    "title": "italic",
    "axis": "dim",
    "0": "bold blue",
    "1": "bold red",
    "2": "bold green",
    "3": "bold magenta",
    "4": "bold yellow",
    "5": "bold cyan",
}
"""The styles of a chart's title, axes and lines. A line's name is its number modulo the number of colours."""
_COLOURS = sum(name.isdigit() for name in LOOKS)
_LEVEL, _LINK, _AXIS, _SEVERAL = "-", "·", "│", "*"
_LETTERS = ascii_lowercase + ascii_uppercase + digits
"""The signs of lines, in their order."""
_MARGIN = 7
Drawn = list[tuple[str, str]]
"""One line: texts with the names of their looks."""


def chart_lines(chart: LineChart, width: int) -> list[Drawn]:
    """The title, the plot, the axis, and what the letters mean.

    Points of several lines in one place are a star. Points of one line are joined by dots. The level is a row of
    hyphens.
    """
    columns = max(NARROWEST, min(WIDEST, width - _MARGIN - 2))
    grid = [[(" ", "")] * columns for _ in range(HEIGHT)]
    if chart.level is not None:
        row = _row(chart, chart.level)
        grid[row] = [(_LEVEL, "axis")] * columns
    for place, line in enumerate(chart.lines):
        _join(grid, chart, line, place)
    for place, line in enumerate(chart.lines):
        for point in line.points:
            row, column = _row(chart, point.y), _column(chart, point.x, columns)
            there, own = grid[row][column][0], _letter(place)
            others = there == _SEVERAL or (there.isalnum() and there != own)
            grid[row][column] = (_SEVERAL, "") if others else (own, _look(place))
    drawn: list[Drawn] = [[(chart.title, "title")], [("", "")]]
    named = {0, HEIGHT // 2, HEIGHT - 1}
    for row, cells in enumerate(grid):
        text = number(_value(chart, row)).rjust(_MARGIN - 2) if row in named else ""
        drawn.append([(f"{text:{_MARGIN - 2}} {_AXIS}", "axis"), *cells])
    drawn.append([(" " * (_MARGIN - 1) + "└" + "─" * columns, "axis")])
    drawn.append([(" " * _MARGIN + _ticks(chart, columns), "axis")])
    drawn += _legend(chart, width)
    return drawn


def _row(chart: LineChart, y: float) -> int:
    """The row of a value; 0 is the highest."""
    return HEIGHT - 1 - round(chart.place(chart.ticks[0][0], y)[1] * (HEIGHT - 1))


def _column(chart: LineChart, x: float, columns: int) -> int:
    return round(chart.place(x, chart.y_range[0])[0] * (columns - 1))


def _value(chart: LineChart, row: int) -> float:
    low, high = chart.y_range
    return low + (high - low) * (HEIGHT - 1 - row) / (HEIGHT - 1)


def _join(grid: list[list[tuple[str, str]]], chart: LineChart, line: ChartLine, place: int) -> None:
    """Dots between a line's points; what another line has drawn stays."""
    columns = len(grid[0])
    places = [chart.place(point.x, point.y) for point in line.points]
    for (x0, y0), (x1, y1) in pairwise(places):
        first, last = round(x0 * (columns - 1)), round(x1 * (columns - 1))
        for column in range(first + 1, last):
            share = (column - first) / (last - first)
            row = HEIGHT - 1 - round((y0 + share * (y1 - y0)) * (HEIGHT - 1))
            if grid[row][column][0] in (" ", _LEVEL):
                grid[row][column] = (_LINK, _look(place))


def _ticks(chart: LineChart, columns: int) -> str:
    """The names of the ticks, each centred below its place; one that would touch another is left out."""
    text = ""
    for x, name in chart.ticks:
        start = max(0, _column(chart, x, columns) - len(name) // 2)
        if start >= len(text) + bool(text):
            text = text.ljust(start) + name
    return f"{text}  {chart.x_title}"


def _legend(chart: LineChart, width: int) -> list[Drawn]:
    """What the letters and the hyphens mean, in lines that fit."""
    parts: list[Drawn] = [
        [(_letter(place), _look(place)), (f" {line.name}", "")] for place, line in enumerate(chart.lines)
    ]
    if chart.level is not None:
        parts.append([(_LEVEL * 3, "axis"), (f" {chart.level_name} {number(chart.level)}", "")])
    if len(chart.lines) > 1:
        parts.append([(_SEVERAL, ""), (" several", "")])
    lines: list[Drawn] = [[(" " * _MARGIN, "")]]
    for part in parts:
        if _length(lines[-1]) > _MARGIN and _length(lines[-1]) + _length(part) + 3 > width:
            lines.append([(" " * _MARGIN, "")])
        lines[-1] += [*part, ("   ", "")]
    return lines


def _length(drawn: Sequence[tuple[str, str]]) -> int:
    return sum(len(text) for text, _ in drawn)


def _letter(place: int) -> str:
    return _LETTERS[place % len(_LETTERS)]


def _look(place: int) -> str:
    return str(place % _COLOURS)
