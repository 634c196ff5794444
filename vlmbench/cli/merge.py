"""``vlmbench merge``: joins results folders into one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlmbench.cli.console import print_aside, print_note, print_table, stderr
from vlmbench.errors import UsageError
from vlmbench.paths import report_command
from vlmbench.reports.table_data import Column, Table
from vlmbench.storage.base import Url
from vlmbench.storage.locations import results_location
from vlmbench.wording import counted, listed

if TYPE_CHECKING:
    from vlmbench.merging.merge import FolderOutcome, Merged

_CONTINUES = "Interrupted. What is there already is complete; the same command continues."
_MOST_NOTES = 10
"""Notes of one kind that are printed; ``--json`` has all."""


def merge(
    folders: Annotated[list[str], typer.Argument(metavar="DIR…", help="Results folders, or their URLs.")],
    output: Annotated[str, typer.Option("--output", "-o", help="The folder, or URL, of all results together.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Join results folders into one: records with their answers and pictures, and what failed.

    The output may exist, and may be one of the folders. Of two different records of one run id, the later counts. Files
    that are no complete record are named and not copied. Then the exit code is 1; and also if a URL has nothing.
    """
    from vlmbench.merging.merge import merge as join

    sources, target = [results_location(folder) for folder in folders], results_location(output)
    for source in sources:
        if isinstance(source, Path) and not source.is_dir():
            raise UsageError(
                f"no results folder {str(source)!r}",
                hint="Name folders that `vlmbench run` has written. A shard without pairs writes none: leave it out.",
            )
    if isinstance(target, Path) and target.exists() and not target.is_dir():
        raise UsageError(f"{str(target)!r} is a file, not a folder", hint="Name another folder with -o.")
    try:
        with stderr().status("merging"):
            merged = join(sources, target)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_CONTINUES) from None
    empty = [folder.location for folder in merged.folders if _is_empty(folder)]
    if len(empty) == len(merged.folders):
        named = [repr(str(location)) for location in empty]
        raise UsageError(
            f"no records in {listed(named)}",
            hint="Name results folders, such as results/runs, and not a folder above or below one.",
        )
    if as_json:
        typer.echo(json.dumps(_as_json(merged, str(target)), indent=1))
    else:
        print_table(_table(merged))
        _print_notes(merged)
        shown = report_command(target if isinstance(target, Path) else target.text)
        print_aside(f"\n{counted(merged.records, 'record')} in {target}. See them with: {shown}")
    if any(folder.unreadable for folder in merged.folders) or any(isinstance(location, Url) for location in empty):
        raise typer.Exit(1)


def _table(merged: Merged) -> Table:
    counts = ("records", "new", "same", "replaced", "not kept", "failures", "unreadable")
    rows = [
        [
            str(folder.location),
            *(f"{number:,}" for number in (folder.records, *folder.counts.values())),
            f"{folder.failures:,}",
            f"{len(folder.unreadable):,}",
        ]
        for folder in merged.folders
    ]
    return Table("", [Column("folder"), *(Column(name, "right") for name in counts)], rows, [])


def _print_notes(merged: Merged) -> None:
    for folder in merged.folders:
        _print_some([f"not copied: {folder.location}/{name}: {reason}" for name, reason in folder.unreadable])
    _print_some(
        [
            f"two different records of one run, {choice.place}: that of {choice.kept} was kept and not that of "
            f"{choice.other}, because {choice.reason}"
            for choice in merged.choices
        ]
    )
    if merged.cleared:
        print_note(f"{counted(merged.cleared, 'failure')} removed from the output: another folder has the answer")
    for folder in merged.folders:
        if _is_empty(folder):
            print_note(f"no records in {folder.location}")


def _is_empty(folder: FolderOutcome) -> bool:
    return not (folder.records or folder.failures or folder.unreadable)


def _print_some(notes: list[str]) -> None:
    for note in notes[:_MOST_NOTES]:
        print_note(note)
    if len(notes) > _MOST_NOTES:
        print_note(f"and {len(notes) - _MOST_NOTES:,} more; --json lists all")


def _as_json(merged: Merged, output: str) -> dict[str, object]:
    return {
        "output": output,
        "records": merged.records,
        "failures_removed": merged.cleared,
        "folders": [
            {
                "folder": str(folder.location),
                "records": folder.records,
                **{status.replace(" ", "_"): number for status, number in folder.counts.items()},
                "failures": folder.failures,
                "unreadable": [{"file": name, "reason": reason} for name, reason in folder.unreadable],
            }
            for folder in merged.folders
        ],
        "choices": [
            {"record": choice.place, "kept": str(choice.kept), "other": str(choice.other), "reason": choice.reason}
            for choice in merged.choices
        ],
    }
