"""The ``vlmbench`` command: registers the subcommands, and turns errors into messages and exit codes.

The installed command ``vlmbench`` and ``python -m vlmbench.cli.main`` start here.
"""

from __future__ import annotations

import gc
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

from vlmbench.cli.heavy_imports import INTERRUPTED, INTERRUPTED_LINE, leaving_at_once

with leaving_at_once():  # these imports take a moment
    import typer
    from typer.core import TyperGroup

    from vlmbench._version import __version__
    from vlmbench.cli import (
        baseline,
        cache,
        compare,
        demo,
        doctor,
        export,
        fetch,
        imports,
        leaderboard,
        merge,
        models,
        report,
        run,
        show,
        tasks,
    )
    from vlmbench.cli.adapting import methods
    from vlmbench.cli.console import print_aside, print_error, print_note
    from vlmbench.errors import VlmbenchError, VlmbenchWarning, unexpected
    from vlmbench.paths import settle_home


class _Commands(TyperGroup):
    """The subcommands; Ctrl-C in any of them ends in one line, which the command may choose."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:  # typer brings its own click
        with _ending_in_a_line():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _ending_in_a_line():
            return super().invoke(ctx)


@contextmanager
def _ending_in_a_line() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as stop:
        print_aside(str(stop) or INTERRUPTED_LINE, "yellow")
        raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="vlmbench",
    cls=_Commands,
    help="Zero-shot evaluation of vision-language models.\n\n"
    "Start with `vlmbench demo`; then `vlmbench run -m MODEL -t TASK`.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("fetch")(fetch.fetch)
app.add_typer(models.app, name="models")
app.add_typer(tasks.app, name="tasks")
app.add_typer(methods.app, name="methods")
app.command("report", cls=report.ReportCommand)(report.report)
app.command("show")(show.show)
app.command("compare", cls=compare.CompareCommand)(compare.compare)
app.add_typer(baseline.app, name="baseline")
app.command("leaderboard")(leaderboard.leaderboard)
app.command("merge")(merge.merge)
app.command("export", cls=export.ExportCommand)(export.export)
app.command("import", cls=imports.ImportCommand)(imports.import_results)
app.add_typer(cache.app, name="cache")
app.command("doctor")(doctor.doctor)


def _flowing(text: str | None) -> str | None:
    """A docstring with one line a paragraph, because typer's help keeps the line breaks after the first paragraph."""
    if text is None:
        return None
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _flow_helps() -> None:
    for group in (app, *(added.typer_instance for added in app.registered_groups)):
        for command in group.registered_commands if group else ():
            command.help = _flowing(command.help or getattr(command.callback, "__doc__", None))


_flow_helps()


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vlmbench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options before the subcommand."""
    if os.environ.get("VLMBENCH_DEBUG"):
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def main() -> None:
    """The console script. Every error becomes a message and an exit code, never a stack trace."""
    warnings.showwarning = _show_warning
    try:
        settle_home()
        app()
    except VlmbenchError as error:
        _leave(error)
    except KeyboardInterrupt:  # before a command began
        sys.stderr.write(f"{INTERRUPTED_LINE}\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the program that reads the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # also a message; VLMBENCH_DEBUG shows the trace
        _leave(unexpected(error))
    finally:
        gc.freeze()  # the process ends: searching a million objects for garbage would take seconds


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of vlmbench as a note, and other warnings as Python does."""
    if issubclass(category, VlmbenchWarning):
        print_note(str(message))
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def _leave(error: VlmbenchError) -> NoReturn:
    print_error(error)
    if os.environ.get("VLMBENCH_DEBUG"):
        logging.getLogger(__name__).error("where it was raised", exc_info=error)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
