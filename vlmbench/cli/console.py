"""What the subcommands share: where they print, and how an error looks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from vlmbench.cli.grid import Grid
from vlmbench.errors import StoreError, VlmbenchError
from vlmbench.reports.table import Table

LONGEST_CELL = 28
"""Columns of a window that a cell may ask for before it is folded: names are rarely longer, remarks are sentences."""
PIPED_WIDTH = 160
"""Columns a table may use where the output is no terminal and nobody says."""


def stdout() -> Console:
    """Standard output: colours and the window's width in a terminal, plain text elsewhere."""
    return _console(stderr=False)


def stderr() -> Console:
    """Standard error, for progress, notes and errors."""
    return _console(stderr=True)


def print_error(error: VlmbenchError) -> None:
    """An error in two parts: what is wrong, and what to do about it."""
    console = stderr()
    console.print(Text("error: ", style="bold red") + Text(error.message), soft_wrap=True)
    if error.hint:
        console.print(Text(f"  {error.hint}", style="dim"), soft_wrap=True)


def rich_table(table: Table, width: int | None = None) -> Grid:
    """A table for a terminal. Cells are text, never markup.

    Args:
        table: what is shown. A column with nothing in it is left out.
        width: columns of the window; where they are too few, spare columns give way before cells are folded.
    """
    used = [index for index in range(len(table.columns)) if not table.rows or any(row[index] for row in table.rows)]
    if width is not None:
        used = _fitting(table, used, width)
    columns = [table.columns[index] for index in used]
    return Grid(table.title, columns, [[row[index] for index in used] for row in table.rows])


def _fitting(table: Table, used: list[int], width: int) -> list[int]:
    """The columns that stay: spare ones leave, the sparest first, until the rest fits or none is left to leave."""
    widths = {
        i: max([len(table.columns[i].name), *(min(len(row[i]), LONGEST_CELL) for row in table.rows)]) for i in used
    }
    stay = list(used)
    for index in sorted((i for i in used if table.columns[i].spare), key=lambda i: -table.columns[i].spare):
        if sum(widths[i] + 2 for i in stay) <= width:
            break
        stay.remove(index)
    return stay


def write_output(text: str, output: Path | None) -> None:
    """Print, or write to a file.

    Raises:
        StoreError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {str(output)!r}: {error.strerror}") from error


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)
