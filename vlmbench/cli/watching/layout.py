"""Lays out the live table of workers: rows as lines of text that fit a window's width and height."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from vlmbench.cli.watching.time_left import TimeLeft
from vlmbench.cli.watching.workers import Row, Totals
from vlmbench.markup import one_line
from vlmbench.run.pool.watching import Share
from vlmbench.wording import counted, duration_text, speed_text

MOST_ROWS = 24
"""More workers are shown by node: a reader does not look at each of them."""
UNKNOWN = "–"
_GAP, _LONGEST_NAME = 2, 200
_LINES_BESIDE = 4
"""The heading, the line about the whole run, and a line for the cursor, with one to spare."""
_SLOW_STATES = "starting", "loading"
_SHARE = re.compile(r" \d+/\d+$")
_STYLES = {"starting": "dim", "idle": "dim", "loading": "yellow"}


@dataclass(frozen=True)
class _Column:
    """A column.

    Attributes:
        usual: the width that it has at least, so that the columns do not move with each new number.
        shortest: to this width its names are shortened in a narrow window; None: they are not.
    """

    name: str
    right: bool = False
    usual: int = 0
    shortest: int | None = None


_COLUMNS: Sequence[_Column] = (
    _Column("node", shortest=12),
    _Column("worker"),
    _Column("model", shortest=9),
    _Column("task", shortest=8),
    _Column("images/s", right=True),
    _Column("progress", usual=12),
    _Column("left", right=True, usual=8),
)
_BY_NODE = [replace(column, name="busy") if column.name == "worker" else column for column in _COLUMNS]


def table_lines(rows: Sequence[Row], totals: Totals, width: int, height: int) -> list[Text]:
    """The lines of the table, none longer than the width: a row a worker, or a row a node if workers are many.

    Args:
        width: of the window, in cells.
        height: of the window, in lines.
    """
    room = max(2, height - _LINES_BESIDE)
    by_node = [list(own) for _, own in groupby(rows, key=lambda row: row.node)]
    names = node_names([own[0].node for own in by_node])
    if len(rows) > room or (len(rows) > MOST_ROWS and len(by_node) > 1):
        columns: Sequence[_Column] = _BY_NODE
        cells = [_node_cells(name, own) for name, own in zip(names, by_node, strict=True)]
    else:
        columns = _COLUMNS if len(by_node) > 1 else _COLUMNS[1:]
        named = [(name if row is own[0] else "", row) for name, own in zip(names, by_node, strict=True) for row in own]
        cells = [_worker_cells(name, row)[-len(columns) :] for name, row in named]
    more = len(cells) - room
    if more > 0:
        cells = cells[: room - 1]
    widths = _widths(columns, cells, width)
    lines = [_line(columns, [column.name for column in columns], widths, "bold")]
    lines += [_line(columns, own, widths, _STYLES.get(own[-2].split()[0] if own[-2] else "", "")) for own in cells]
    if more > 0:
        lines.append(Text(f" … and {counted(more + 1, 'more node')}", style="dim"))
    return [*lines, totals_line(totals, width)]


def totals_line(totals: Totals, width: int | None = None) -> Text:
    """What of the run is done and what is left. In a narrow window the least important is left out."""
    parts = [
        (f"{totals.finished:,} of {counted(totals.pairs, 'pair')}", "bold", 0),
        (f"{totals.failed:,} failed" if totals.failed else "", "bold red", 0),
        (f"{left_text(totals.left)} left" if totals.finished < totals.pairs else "", "bold", 0),
        (f"{speed_text(totals.speed)} images/s" if totals.speed else "", "", 1),
        (counted(totals.workers, "worker") if totals.workers else "", "", 2),
        (f"after {_steady(totals.elapsed)}", "dim", 4),
        (f"{counted(totals.lost, 'try', 'tries')} lost" if totals.lost else "", "yellow", 1),
        (f"{counted(totals.left_out, 'node')} left out" if totals.left_out else "", "yellow", 1),
    ]
    shown = [part for part in parts if part[0]]
    while width is not None and sum(len(text) + 3 for text, _, _ in shown) > width and any(s for _, _, s in shown):
        shown.remove(max(shown, key=lambda part: part[2]))
    line = Text(" ")
    for number, (text, style, _) in enumerate(shown):
        line.append(" · " if number else "", style="dim")
        line.append(text, style=style)
    if width is not None:
        line.truncate(width)
    return line


def left_text(left: TimeLeft) -> str:
    """A time that is left: "1.2 h", "≥ 1.2 h", or "–" if it is not known."""
    if left.seconds is None:
        return UNKNOWN
    return f"{'≥ ' if left.at_least else ''}{_steady(left.seconds)}"


def _steady(seconds: float) -> str:
    """A duration without tenths of seconds, which change too fast on a live line."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration_text(max(60.0, seconds))


def node_names(nodes: Sequence[str]) -> list[str]:
    """The names of nodes, without their domains if they differ without them.

    >>> node_names(["gpu-1.cluster.org", "gpu-2.cluster.org"]), node_names(["10.0.0.1", "10.0.0.2"])
    (['gpu-1', 'gpu-2'], ['10.0.0.1', '10.0.0.2'])
    """
    hosts = [node.partition(".")[0] for node in nodes]
    unlike = len(set(hosts)) == len(hosts) and not any(host.isdecimal() for host in hosts)
    return [one_line(name, _LONGEST_NAME) for name in (hosts if unlike else nodes)]


def shortened(name: str, width: int) -> str:
    """A name that fits a width, with its beginning and its end, since versions and datasets are at the end of names.

    >>> shortened("ViT-B-32.laion2b_s34b_b79k", 15), shortened("RN50", 15)
    ('ViT-B-3…4b_b79k', 'RN50')
    """
    if cell_len(name) <= width:
        return name
    if width < 2:
        return "…"[:width]
    tail = (width - 1) // 2
    end = name
    while cell_len(end) > tail:
        end = end[1:]
    start = name
    while cell_len(start) > width - 1 - cell_len(end):
        start = start[:-1]
    return f"{start}…{end}"


def _worker_cells(node: str, row: Row) -> list[str]:
    return [node, _worker_name(row), *_piece_cells(row)]


def _piece_cells(row: Row) -> list[str]:
    return [
        one_line(row.model, _LONGEST_NAME),
        _with_share(one_line(row.task, _LONGEST_NAME), row.share),
        speed_text(row.speed) if row.speed else "",
        row.doing if row.done is None else f"{row.doing} {int(100 * min(1.0, row.done))}%",
        _steady(row.left) if row.left is not None else (UNKNOWN if row.model else ""),
    ]


def _worker_name(row: Row) -> str:
    """The worker's number, by which logs name it, and its device. A worker that sees one GPU calls it ``cuda:0``."""
    return f"{row.number} {one_line(row.device, _LONGEST_NAME)}".rstrip()


def _with_share(task: str, share: Share | None) -> str:
    return task if share is None else f"{task} {share.number}/{share.of}"


def _node_cells(name: str, rows: Sequence[Row]) -> list[str]:
    """One row for the workers of a node. Its column "busy" has the number of those that have a piece."""
    busy = [row for row in rows if row.model]
    count = f"{len(busy)} of {len(rows)}"
    if len(rows) == 1:
        return [name, count, *_piece_cells(rows[0])]
    speed = sum(row.speed or 0.0 for row in rows)
    states = Counter(row.doing for row in rows)
    lefts = [row.left for row in busy if row.left is not None]
    return [
        name,
        count,
        _several(sorted({row.model for row in busy}), "model"),
        _several(sorted({row.task for row in busy}), "task"),
        speed_text(speed) if speed else "",
        next((f"{states[state]} {state}" for state in _SLOW_STATES if states[state]), ""),
        _steady(max(lefts)) if lefts else UNKNOWN,
    ]


def _several(names: Sequence[str], noun: str) -> str:
    return one_line(names[0], _LONGEST_NAME) if len(names) == 1 else counted(len(names), noun) if names else ""


def _widths(columns: Sequence[_Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns' widths. If the window is narrow, the longest names give way first."""
    widths = [
        max(column.usual, len(column.name), *(cell_len(own[place]) for own in cells))
        for place, column in enumerate(columns)
    ]
    room = width - 1 - _GAP * (len(columns) - 1)
    while sum(widths) > room:
        spare = [widths[place] - (column.shortest or widths[place]) for place, column in enumerate(columns)]
        if max(spare) <= 0:
            break
        widths[max(range(len(columns)), key=lambda place: widths[place] if spare[place] > 0 else 0)] -= 1
    return widths


def _line(columns: Sequence[_Column], cells: Sequence[str], widths: Sequence[int], style: str) -> Text:
    return Text(" " + (" " * _GAP).join(_fitted(columns, cells, widths)), style=style, no_wrap=True, overflow="crop")


def _fitted(columns: Sequence[_Column], cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, cell, width in zip(columns, cells, widths, strict=True):
        share = _SHARE.search(cell) if column.name == "task" else None
        kept = share[0] if share else ""
        text = shortened(cell.removesuffix(kept), width - len(kept)) + kept
        yield " " * (width - cell_len(text)) + text if column.right else set_cell_size(text, width)
