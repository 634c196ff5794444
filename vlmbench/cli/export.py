"""``vlmbench export``: prints or writes records in the formats of other programs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.console import print_note, write_output
from vlmbench.cli.late_help import late_help
from vlmbench.errors import UsageError
from vlmbench.paths import RESULTS
from vlmbench.storage.mirror import readable

if TYPE_CHECKING:
    from vlmbench.records import Summary


def _formats() -> str:
    from vlmbench.interchange.registry import EXPORTERS

    return f"{'; '.join(f'{format.name}: {format.shows}' for format in EXPORTERS.usable())}."


ExportCommand = late_help(format=_formats)


def export(
    format: Annotated[str, typer.Option("--format", "-f", help="The format.")] = "csv",
    results: Annotated[str, typer.Option(metavar="PATH", help="The results folder, or its URL.")] = str(RESULTS),
    models: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Only models of this name or pattern.")
    ] = None,
    tasks: Annotated[list[str] | None, typer.Option("--task", "-t", help="Only tasks of this name or pattern.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of printing.")
    ] = None,
) -> None:
    """Print records in the format of another program.

    Of each model, task and question the latest record is taken. Names may be patterns ('clip-*'). Values are fractions.
    """
    from vlmbench.interchange.registry import EXPORTERS
    from vlmbench.records import Summary
    from vlmbench.reports.entries import newest
    from vlmbench.store import ResultStore, Unreadable

    exporter = EXPORTERS.get(format)
    folder = readable(results)
    if not folder.is_dir():
        raise UsageError(f"no results folder {str(folder)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    entries = list(ResultStore(folder).summaries())
    for entry in entries:
        if isinstance(entry, Unreadable):
            print_note(f"left out: {entry.reason}")
    summaries = [entry for entry in entries if isinstance(entry, Summary)]
    records = [record for record in newest(summaries) if _wanted(record, models, tasks)]
    if not records:
        raise UsageError(f"no records to export in {str(folder)!r}", hint="Make some with `vlmbench run`.")
    write_output(exporter.write(records), output)


def _wanted(record: Summary, models: list[str] | None, tasks: list[str] | None) -> bool:
    return _matches(record.model.names, models) and _matches([record.task.name], tasks)


def _matches(names: Iterable[str], patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)
