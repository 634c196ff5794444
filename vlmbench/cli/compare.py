"""``vlmbench compare``: tells whether a candidate is worse than a baseline, task by task, for people and for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vlmbench.cli.console import print_note, stderr, stdout, write_output
from vlmbench.cli.late_help import late_help
from vlmbench.errors import UsageError
from vlmbench.paths import BASELINES, user_path
from vlmbench.reports.cells import Cell, Label
from vlmbench.reports.table_data import Column, Table
from vlmbench.storage.shown import with_urls

if TYPE_CHECKING:
    from rich.console import Console

    from vlmbench.gate.outcome import Comparison, TaskComparison

TERMINAL = "text"
"""The format for terminals: coloured, in the window's width."""
_INDENT = "  "
_LONGEST_NOTE = 1000
_COLOURS = {
    "regressed": "bold red",
    "failed": "bold red",
    "not comparable": "bold red",
    "inconclusive": "bold yellow",
    "passed": "bold green",
}


def _formats() -> list[str]:
    from vlmbench.gate.registry import FORMATS

    return [TERMINAL, *FORMATS]


CompareCommand = late_help(format=lambda: f"{', '.join(_formats())}.")


def _schema(asked: bool) -> None:
    if asked:
        from vlmbench.gate.formats.json import json_schema

        typer.echo(json_schema(), nl=False)
        raise typer.Exit


def compare(
    baseline: Annotated[
        str,
        typer.Argument(
            help="A results folder, one model's folder in it or a record, as a path or URL; or a saved baseline as "
            "NAME or REVISION:NAME."
        ),
    ],
    candidate: Annotated[str, typer.Argument(help="What is compared with it, named in the same way.")],
    gate: Annotated[Path | None, typer.Option("--gate", "-g", help="The gate file (YAML).")] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="The format.")] = TERMINAL,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of printing.")
    ] = None,
    write: Annotated[
        list[str], typer.Option(help="FORMAT:FILE, such as junit:report.xml: write this file too. Repeatable.")
    ] = [],  # noqa: B006
    allow: Annotated[
        list[str],
        typer.Option(
            help="Compare although the sides differ in dataset, metric, precision, prompts, protocol, samples or "
            "version. Repeatable."
        ),
    ] = [],  # noqa: B006
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Exit with 0 if there are too few samples to tell.")
    ] = False,
    baseline_model: Annotated[str | None, typer.Option(help="Only this model of the baseline.")] = None,
    candidate_model: Annotated[str | None, typer.Option(help="Only this model of the candidate.")] = None,
    baselines: Annotated[str, typer.Option(metavar="PATH", help="The folder of saved baselines, or its URL.")] = str(
        BASELINES
    ),
    schema: Annotated[
        bool, typer.Option("--schema", callback=_schema, is_eager=True, help="Print the JSON format's schema.")
    ] = False,
) -> None:
    """Compare two sides task by task, and say whether the candidate is worse.

    Without a gate file, no loss is accepted, and the candidate must have every task of the baseline.

    Exit code 0: passed. 1: a task regressed, a rule of the gate file is not met, or there are too few samples to tell.
    2: wrong input. 3: not comparable.

    For example: vlmbench compare main results/runs --gate gate.yaml
    """
    from vlmbench.gate.compare import compare as compared
    from vlmbench.gate.figures import short
    from vlmbench.gate.registry import FORMATS

    _check_format(format)
    files = [_file(text) for text in write]
    _check_outputs([*([output] if output else []), *(path for _, path in files)])
    with stderr().status("comparing") as status:
        found = compared(
            baseline,
            candidate,
            gate=gate,
            allow=allow,
            allow_inconclusive=allow_inconclusive,
            baseline_model=baseline_model,
            candidate_model=candidate_model,
            baselines=baselines,
            begun=lambda task: status.update(f"comparing {task.replace('[', '')}"),
        )
    for note in found.notes:
        print_note(f"{short(note, _LONGEST_NOTE)}")
    for kind, path in files:
        write_output(_written(found, kind), path)
    if format == TERMINAL and output is None:
        print_comparison(found, stdout())
    else:
        write_output(_written(found, format), output)
    for name in dict.fromkeys((format, *(name for name, _ in files))):
        if name != TERMINAL and (besides := FORMATS.get(name).besides):
            besides(found)
    raise typer.Exit(found.exit_code)


def _check_format(format: str) -> None:
    from vlmbench.registry import did_you_mean

    known = _formats()
    if format not in known:
        raise UsageError(f"unknown format {format!r}", hint=did_you_mean(format, known))


def _file(text: str) -> tuple[str, Path]:
    format, colon, path = text.partition(":")
    if not colon or not path:
        raise UsageError(f"--write takes FORMAT:FILE, not {text!r}", hint="For example --write junit:report.xml")
    _check_format(format)
    return format, user_path(path)


def _check_outputs(paths: list[Path]) -> None:
    """Refuse files that cannot be written, and one file for two formats, before the comparison, which takes a while."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir() or not path.parent.is_dir():
            reason = "it is a folder" if path.is_dir() else f"there is no folder {str(path.parent)!r}"
            raise UsageError(f"cannot write {str(path)!r}: {reason}")
        if path.is_file() or not path.exists():  # a pipe or a device can take several
            if path.resolve() in seen:
                raise UsageError(f"{str(path)!r} is written twice", hint="Name another file for each format.")
            seen.add(path.resolve())


def _written(found: Comparison, format: str) -> str:
    from vlmbench.gate.registry import FORMATS

    if format != TERMINAL:
        return FORMATS.get(format).write(found)
    import io

    from rich.console import Console

    from vlmbench.reports.formats.terminal.render import PIPED_WIDTH

    file = io.StringIO()
    print_comparison(found, Console(file=file, width=PIPED_WIDTH, highlight=False))
    return file.getvalue()


def print_comparison(found: Comparison, console: Console) -> None:
    """Print what was compared, the table, a paragraph about each task, what to do, and the verdict as the last line."""
    from rich.text import Text

    from vlmbench.gate import figures, sentences
    from vlmbench.reports.formats.terminal.render import TerminalTable

    console.print(Text(sentences.compared(found)))
    console.print(TerminalTable(_table(found), console.width))
    console.print()
    if any(task.gain for task in found.tasks):
        _print_paragraph(console, "", figures.LEGEND, style="dim")
        console.print()
    for names, said in sentences.paragraphs(found):
        _print_paragraph(console, names, said)
        console.print()
    if lines := sentences.of_draws(found):
        console.print(Text("Over draws:", style="bold"))
        for line in lines:
            _print_paragraph(console, "", line)
        console.print()
    for line in sentences.remedies(found):
        _print_paragraph(console, "", line)
    if sentences.remedies(found):
        console.print()
    if lines := sentences.overridden(found):
        console.print(Text("Overridden with --allow:", style="yellow"))
        for line in lines:
            _print_paragraph(console, "", line)
        console.print()
    console.print(Text(sentences.headline(found), style=_COLOURS[found.verdict]))


def _print_paragraph(console: Console, name: str, said: str, style: str = "") -> None:
    """Print lines that fit the window, without the blanks at their ends that Rich's padding adds."""
    from rich.text import Text

    text = Text.assemble((f"{name}: " if name else "", "bold"), (with_urls(said), style))
    for line in text.wrap(console, max(console.width - len(_INDENT), 1)):
        line.rstrip()
        console.print(Text(_INDENT) + line)


def _table(found: Comparison) -> Table:
    from vlmbench.gate import figures

    several = figures.of_several_models(found)
    task, verdict, metric, *numbers, p, flips = figures.HEADINGS
    columns = [
        *([Column("model", repeats=True)] if several else []),
        Column(task, repeats=True),
        Column(verdict, strong=True),
        Column(metric, spare=1),
        *(Column(name, "right") for name in numbers),
        Column(p, "right", spare=2),
        Column(flips, "right", spare=3),
    ]
    rows: list[list[Cell]] = []
    for each in figures.worst_first(found):
        name, judged, *rest = figures.cells(each)
        model = [figures.models(each)] if several else []
        rows.append([*model, name, Label(judged, tone=_tone(each)), *rest])
    return Table("", columns, rows, [])


def _tone(task: TaskComparison) -> Literal["", "bad", "good", "open"]:
    if task.verdict in ("regressed", "not comparable") or task.unmet:
        return "bad"
    if task.verdict == "inconclusive" or task.unchecked:
        return "open"
    return "good" if task.verdict == "improved" else ""
