"""``vlmbench import``: makes records from the result files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmbench.cli.console import print_aside, print_error, print_note, stderr
from vlmbench.cli.late_help import late_help
from vlmbench.paths import RESULTS, user_path
from vlmbench.storage.locations import results_location
from vlmbench.wording import counted


def _programs() -> str:
    from vlmbench.interchange.registry import IMPORTERS

    return f"The program that wrote the files: {', '.join(IMPORTERS)}."


def _files_read() -> str:
    from vlmbench.interchange.registry import IMPORTERS

    return "\n\n".join(f"{program.name}: {program.files}." for program in IMPORTERS.usable())


ImportCommand = late_help(epilog=_files_read, program=_programs)


def import_results(
    program: Annotated[str, typer.Argument(help="The program that wrote the files.")],
    files: Annotated[list[Path], typer.Argument(help="Result files, or folders of them.")],
    results: Annotated[str, typer.Option(metavar="PATH", help="The results folder, or its URL.")] = str(RESULTS),
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model's name, for open_clip's results.jsonl.")
    ] = None,
) -> None:
    """Make records from result files of another program. The records are marked as imported.

    Files that are broken, or that another program wrote, are named and skipped. Then the exit code is 1.
    """
    from vlmbench.interchange.imports import import_files
    from vlmbench.run.stores import open_store

    store = open_store(results_location(results))
    with stderr().status("importing"):
        outcome = import_files(program, [user_path(path) for path in files], store, model=model)
    for note in outcome.notes:
        print_note(note)
    for error in outcome.skipped:
        print_error(error)
    models = {record.model.name for record in outcome.records}
    what = f"{counted(len(outcome.records), 'record')} of {counted(len(models), 'model')}"
    print_aside(f"Imported {what} into {results}", style="")
    if outcome.skipped:
        raise typer.Exit(1)
