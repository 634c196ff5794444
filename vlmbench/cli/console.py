"""What the subcommands share: where they print, and how an error looks."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmbench.errors import MissingDependencyError, OutputError, VlmbenchError

if TYPE_CHECKING:  # the help needs no tables
    from rich.console import Console

    from vlmbench.reports.table_data import Table

_SIMILAR = dict(zip("○●◇–—─−±·×≤≥…↓↑→‘’“”", "o#^----~.x<>.v^>''\"\"", strict=True))
"""What stands for our signs where the output's encoding has none of them: sign for sign: columns stay straight."""


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """An encoding error handler: each sign's nearest in ASCII, a question mark where there is none."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_SIMILAR.get(sign) or _ascii(sign) for sign in signs), error.end


def _ascii(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?"


codecs.register_error("vlmbench.nearest", _nearest)


def stdout() -> Console:
    """Standard output: colours and the window's width in a terminal, plain text elsewhere; no sign breaks it."""
    _encodable()
    return _console(stderr=False)


def stderr() -> Console:
    """Standard error, for progress, notes and errors."""
    return _console(stderr=True)


def print_line(text: str, style: str = "") -> None:
    """A line of the answer, on standard output; it is text, never markup, and is not broken."""
    stdout().print(text, style=style, soft_wrap=True, markup=False)


def print_aside(text: str, style: str = "dim") -> None:
    """A line beside the answer, on standard error."""
    stderr().print(text, style=style, soft_wrap=True, markup=False)


def print_note(text: str) -> None:
    """What a user should know of an answer, on standard error."""
    print_aside(f"note: {text}", "yellow")


def print_table(table: Table, *, crop: bool = True) -> None:
    """A table in the window's width, on standard output; uncropped, numbers run over a narrow window's edge."""
    from vlmbench.reports.formats.terminal.render import TerminalTable

    console = stdout()
    console.print(TerminalTable(table, console.width), crop=crop)


def print_error(error: VlmbenchError, *, kind: Literal["error", "note"] = "error", about: str = "") -> None:
    """An error, or what is only worth a note, in two parts: what is wrong, and what to do about it.

    Args:
        about: whose error it is, if the message may leave that open.
    """
    from rich.text import Text

    console = stderr()
    style = "bold red" if kind == "error" else "yellow"
    message = error.message if not about or error.message.startswith(about) else f"{about}: {error.message}"
    if isinstance(error, MissingDependencyError) and error.hint:  # all that there is to do is to type it
        console.print(Text(f"{kind}: ", style=style) + Text(f"{message}: {error.hint}"), soft_wrap=True)
        return
    console.print(Text(f"{kind}: ", style=style) + Text(message), soft_wrap=True)
    if error.hint:
        console.print(Text(f"  {error.hint}", style="dim"), soft_wrap=True)


def write_output(text: str, output: Path | None) -> None:
    """Print, or write to a file, whole or not at all; always UTF-8, but for a terminal that has another encoding.

    Raises:
        OutputError: the file cannot be written.
    """
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")  # the bytes that a file would have, whatever the locale
        else:
            _encodable()
        sys.stdout.write(text)
        return
    try:
        if output.exists() and not output.is_file():  # a pipe or a device is not to be replaced
            output.write_text(text, encoding="utf-8")
        else:
            _replace(output.resolve(), text)
    except OSError as error:
        raise OutputError(f"cannot write {str(output)!r}: {error.strerror}") from error


def _encodable() -> None:
    """Let standard output take any sign, by its nearest where its encoding lacks it."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="vlmbench.nearest")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
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
