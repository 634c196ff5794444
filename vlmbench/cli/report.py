"""``vlmbench report``: prints or writes a table of records and published numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.console import print_error, print_note, print_table, write_output
from vlmbench.cli.late_help import late_help
from vlmbench.errors import UsageError
from vlmbench.paths import RESULTS
from vlmbench.storage.mirror import readable
from vlmbench.wording import counted

if TYPE_CHECKING:  # the help needs none of it
    from vlmbench.reports.registry import TableRequest
    from vlmbench.reports.table_data import Table
    from vlmbench.reports.table_view import TableView

TERMINAL = "text"
"""The format for terminals: coloured, in the window's width."""
PUBLISHED = ("auto", "all", "none")
MOST_DIGITS = 6


def _tables() -> str:
    from vlmbench.reports.registry import tables

    return f"{', '.join(table.usage for table in tables())}."


def _contents() -> str:
    from vlmbench.reports.registry import tables

    return "\n\n".join(["Tables:", *(f"{table.usage}: {table.shows}" for table in tables())])


def _formats() -> str:
    from vlmbench.reports.registry import FORMATS

    return f"{', '.join(FORMATS)}."


ReportCommand = late_help(epilog=_contents, table=_tables, format=_formats)


def report(
    table: Annotated[str, typer.Argument(help="The table.")] = "results",
    name: Annotated[
        str,
        typer.Argument(
            help="The model, the task, or the group of methods (pre-training, transfer, …) that the table is about."
        ),
    ] = "",
    results: Annotated[
        str | None, typer.Option(metavar="PATH", help="The results folder, or its URL.", show_default=str(RESULTS))
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="The format.")] = TERMINAL,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of printing.")
    ] = None,
    models: Annotated[list[str], typer.Option("--models", "-m", help="Only this model or pattern. Repeatable.")] = [],  # noqa: B006
    tasks: Annotated[
        list[str], typer.Option("--tasks", "-t", help="Only this task, pattern or suite. Repeatable.")
    ] = [],  # noqa: B006
    filter: Annotated[
        list[str], typer.Option(help="Only rows that match COLUMN=PATTERN, such as objective=Con*. Repeatable.")
    ] = [],  # noqa: B006
    columns: Annotated[
        str, typer.Option(help="The columns to show (in CSV and JSON: the fields), separated by commas.")
    ] = "",
    sort: Annotated[
        str, typer.Option(help="Sort by a column: best first, or A to Z. -COLUMN reverses the order.")
    ] = "",
    group_by: Annotated[str, typer.Option(help="Group the rows by a column such as objective.")] = "",
    intervals: Annotated[bool, typer.Option(help="Show 95% intervals beside numbers.")] = True,
    digits: Annotated[int, typer.Option(help="Number of decimals of percentages.", min=0, max=MOST_DIGITS)] = 1,
    published: Annotated[str, typer.Option(help="Which published numbers to show: auto, all or none.")] = "auto",
    flagged: Annotated[
        bool, typer.Option(help="Show published numbers with a known fault. They are marked, and never ranked.")
    ] = True,
    paired: Annotated[
        bool, typer.Option(help="Decide whether two models differ by the samples that both answered.")
    ] = True,
    against: Annotated[
        str, typer.Option(help="Show differences from this transfer method, or from zero-shot, on the same draws.")
    ] = "",
    curve: Annotated[bool, typer.Option("--curve", help="Draw accuracy against shots.")] = False,
) -> None:
    """Print a table of the results in a folder, and of published numbers.

    ● marks measured numbers, ○ published ones. The best of the numbers that may be compared is bold, the second
    underlined. If a number answers another question, a footnote says why. CSV and JSON have one row per number, as
    fractions.
    """
    from vlmbench.reports.registry import FORMATS, check_options, check_table, make_table
    from vlmbench.reports.table_view import TableView, with_fields

    check_table(table, name)
    _check("format", format, FORMATS)
    _check("--published", published, PUBLISHED)
    names = tuple(part.strip() for part in columns.split(",") if part.strip())
    as_data = FORMATS.get(format).for_programs
    suites, plain_tasks = expanded(tasks)
    view = TableView(
        models=models,
        tasks=[*suites, *plain_tasks],
        filters=[_filter(text) for text in filter],
        columns=() if as_data else names,
        sort=sort,
        group_by=group_by,
        intervals=intervals,
        digits=digits,
        published=published,
        flagged=flagged,
        paired=paired,
        against=against,
        curve=curve,
    )
    check_options(table, view)
    if curve and format != TERMINAL:
        raise UsageError(f"--curve draws in the format {TERMINAL} only, not in {format}", hint="Drop --curve.")
    request = _request(table, name, results, view, suites)
    made = make_table(table, request)
    _show(with_fields(made, names) if as_data and names else made, _why_empty(request), format, output)


def _request(table: str, name: str, results: str | None, view: TableView, suite_tasks: list[str]) -> TableRequest:
    """The request for the table. A table of published numbers needs no results folder."""
    from vlmbench.reports.entries import Entries, gather
    from vlmbench.reports.registry import TABLES, TableRequest
    from vlmbench.store import ResultStore

    folder = readable(results or RESULTS)
    if not folder.is_dir() and (results is not None or TABLES.get(table).needs_records):
        raise UsageError(f"no results folder {str(folder)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    store = ResultStore(folder) if folder.is_dir() else None
    entries = gather(store.summaries()) if store else Entries()
    outright = [pattern for pattern in view.tasks if not _is_pattern(pattern)]
    return TableRequest(
        name=name,
        entries=entries,
        view=view,
        store=store,
        models=[pattern for pattern in view.models if not _is_pattern(pattern)],
        tasks=outright if len(outright) == len(view.tasks) else suite_tasks,
    )


def _why_empty(request: TableRequest) -> UsageError:
    """Why the table has no rows, and what to do."""
    if request.store is not None and not request.entries.records and not request.entries.failures:
        return UsageError(
            f"no records in {str(request.store.root)!r}", hint="Make some with `vlmbench run` or `vlmbench demo`."
        )
    from vlmbench.reports.entries import is_unranked, remarks

    left_out = [record for record in request.entries.records if is_unranked(record)]
    because = (
        f" {len(left_out):,} of {counted(len(request.entries.records), 'record')} cannot be ranked because of remarks "
        f"({remarks(left_out[0])})."
        if left_out
        else ""
    )
    return UsageError(
        "no result matches these options",
        hint=f"Widen --models, --tasks, --filter or --published, or make records with `vlmbench run`.{because}",
    )


def _show(made: Table, nothing: UsageError, format: str, output: Path | None) -> None:
    """Print or write a table. Without rows, the terminal format is an error; formats for programs get a note."""
    from dataclasses import replace

    from vlmbench.reports.registry import FORMATS

    for reason in made.left_out:
        print_note(f"{reason}")
    if not made.rows:
        said = UsageError("\n".join([nothing.message, *made.notes]), hint=nothing.hint)
        if format == TERMINAL:
            raise said
        print_error(said, kind="note")
        made = replace(made, notes=[*made.notes, f"{nothing.message}. {nothing.hint}"])
    if format == TERMINAL and output is None:
        print_table(made, crop=False)  # a number that is cut off would be read as another number
    else:
        write_output(FORMATS.get(format).write(made), output)


def expanded(tasks: list[str]) -> tuple[list[str], list[str]]:
    """The tasks of the suites among the names, and the other names."""
    from vlmbench.catalogue import find_suite

    suite_tasks, others = [], []
    for name in tasks:
        suite = None if _is_pattern(name) else find_suite(name)
        if suite is None:
            others.append(name)
        else:
            suite_tasks += suite.tasks
    return suite_tasks, others


def _filter(text: str) -> tuple[str, str]:
    column, equals, pattern = text.partition("=")
    if not equals or not column.strip():
        raise UsageError(f"--filter takes COLUMN=PATTERN, not {text!r}")
    return column.strip(), pattern.strip()


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _check(option: str, value: str, known: Iterable[str]) -> None:
    from vlmbench.registry import did_you_mean

    if value not in known:
        raise UsageError(f"unknown {option.removeprefix('--')} {value!r}", hint=did_you_mean(value, known))
