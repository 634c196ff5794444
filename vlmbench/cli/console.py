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
    """A table for a terminal; see :class:`~vlmbench.cli.grid.Grid`."""
    return Grid(table, width)


def write_output(text: str, output: Path | None) -> None:
    """Print, or write to a file: whole, or not at all.

    Raises:
        StoreError: the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        return
    try:
        if output.exists() and not output.is_file():  # a pipe or a device is not to be replaced
            output.write_text(text, encoding="utf-8")
        else:
            _replace(output.resolve(), text)
    except OSError as error:
        raise StoreError(f"cannot write {str(output)!r}: {error.strerror}") from error


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)
