"""Prints for all subcommands: lines, notes, tables, errors and files, in any encoding and window."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmbench.errors import MissingDependencyError, OutputError, VlmbenchError
from vlmbench.storage.locations import local_path
from vlmbench.storage.shown import with_urls
from vlmbench.wording import listed

if TYPE_CHECKING:  # the help needs no tables
    from rich.console import Console
    from rich.table import Table as RichTable

    from vlmbench.reports.table_data import Table

_SIMILAR = dict(zip("○●◇–—─│└−±·×≤≥…↓↑→‘’“”", "o#^---|+-~.x<>.v^>''\"\"", strict=True))
"""ASCII characters for the special characters of tables, one for one, so that columns stay straight. They are used if
the output's encoding lacks the special characters."""


_NAMED = 12
"""Names before a hint; the others are counted. Each has a line of its own above."""


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """An encoding error handler: replace each character by its nearest in ASCII, or by a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_SIMILAR.get(sign) or _ascii(sign) for sign in signs), error.end


def _ascii(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?"


codecs.register_error("vlmbench.nearest", _nearest)


def stdout() -> Console:
    """Standard output: colours and the window's width in a terminal, plain text elsewhere. It takes any character."""
    _encodable()
    return _console(stderr=False)


def stderr() -> Console:
    """Standard error, for progress, notes and errors."""
    return _console(stderr=True)


def print_line(text: str, style: str = "") -> None:
    """Print a line of the answer on standard output, as plain text, without line breaks."""
    stdout().print(with_urls(text), style=style, soft_wrap=True, markup=False)


def print_aside(text: str, style: str = "dim") -> None:
    """Print a line about the answer, on standard error."""
    stderr().print(with_urls(text), style=style, soft_wrap=True, markup=False)


def print_note(text: str) -> None:
    """Print what a user should know about an answer, on standard error."""
    print_aside(f"note: {text}", "yellow")


def print_table(table: Table, *, crop: bool = True) -> None:
    """Print a table in the window's width, on standard output. Without cropping, a wide row runs over the edge of a
    narrow window, so that no number is cut."""
    from vlmbench.reports.formats.terminal.render import TerminalTable

    console = stdout()
    console.print(TerminalTable(table, console.width), crop=crop)


def print_grid(grid: RichTable) -> None:
    """Print a grid of Rich on standard output, without the spaces that fill its last column."""
    from rich.segment import Segment, Segments

    console = stdout()
    for line in console.render_lines(grid, pad=False):
        segments = list(line)
        while segments and not segments[-1].text.strip():
            segments.pop()
        if segments:
            last = segments.pop()
            segments.append(Segment(last.text.rstrip(), last.style, last.control))
        console.print(Segments([*segments, Segment.line()]), end="")


def print_error(error: VlmbenchError, *, kind: Literal["error", "note"] = "error", about: str = "") -> None:
    """Print an error, or a note, in two parts: what is wrong, and what to do.

    Args:
        about: the model or task with the error, if the message may not name it.
    """
    from rich.text import Text

    console = stderr()
    style = "bold red" if kind == "error" else "yellow"
    message = with_urls(error.message if not about or error.message.startswith(about) else f"{about}: {error.message}")
    if isinstance(error, MissingDependencyError) and error.hint:  # the hint is a command to type
        console.print(Text(f"{kind}: ", style=style) + Text(f"{message}: {error.hint}"), soft_wrap=True)
        return
    console.print(Text(f"{kind}: ", style=style) + Text(message), soft_wrap=True)
    if error.hint:
        console.print(Text(f"  {with_urls(error.hint)}", style="dim"), soft_wrap=True)


def hint_lines(hints: Iterable[tuple[str, str | None]]) -> list[str]:
    """What to do about failures: one line for each different hint, after the names of its failures.

    A single failure needs no name.

    Args:
        hints: (name, hint) of each failure; None for a failure without a hint.

    >>> hint_lines([("cifar10", "Go online."), ("dtd", "Go online."), ("food", None), ("mine", "Check the path.")])
    ['cifar10, dtd: Go online.', 'mine: Check the path.']
    """
    names: dict[str, list[str]] = {}
    failures = list(hints)
    for name, hint in failures:
        if hint:
            names.setdefault(hint, []).append(name)
    if len(failures) == 1:
        return list(names)
    return [f"{listed(list(dict.fromkeys(own)), most=_NAMED)}: {hint}" for hint, own in names.items()]


def write_output(text: str, output: Path | None) -> None:
    """Print a text, or write it to a file, completely or not at all. UTF-8, except in a terminal of another encoding.

    Bytes in a path that are no text become question marks.

    Raises:
        OutputError: the file cannot be written.
        UsageError: a URL is named as the file.
    """
    text = with_urls(text)
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # the same bytes as in a file, in every locale
        else:
            _encodable()
        sys.stdout.write(text)
        return
    output = local_path(output, "an output file")
    try:
        if output.exists() and not output.is_file():  # do not replace a pipe or a device by a file
            output.write_text(text, encoding="utf-8", errors="replace")
        else:
            _replace(output.resolve(), text)
    except OSError as error:
        raise OutputError(f"cannot write {str(output)!r}: {error.strerror}") from error


def _encodable() -> None:
    """Let standard output take any character: the nearest one is printed if its encoding lacks the character."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="vlmbench.nearest")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", errors="replace")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    from vlmbench.reports.formats.terminal.render import PIPED_WIDTH

    console = Console(stderr=stderr, highlight=False)
    if console.width > 0 and (console.is_terminal or "COLUMNS" in os.environ):
        return console
    return Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)
