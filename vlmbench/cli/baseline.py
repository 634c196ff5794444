"""``vlmbench baseline``: saves, lists and shows the records that ``vlmbench compare`` compares with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmbench.cli.console import print_line, print_note, print_table
from vlmbench.cli.listing import Listing
from vlmbench.errors import RecordError, UsageError
from vlmbench.files import size_text
from vlmbench.paths import BASELINES, RESULTS
from vlmbench.reports.table_data import Column
from vlmbench.storage.locations import results_location
from vlmbench.storage.mirror import readable
from vlmbench.storage.shown import with_urls
from vlmbench.wording import counted

if TYPE_CHECKING:
    from vlmbench.gate.baselines.store import Baseline
    from vlmbench.gate.entry import Entry
    from vlmbench.reports.table_view import TableView

app = typer.Typer(no_args_is_help=True, help="Save, list or show the records that a gate compares with.")
_Root = Annotated[str, typer.Option("--baselines", metavar="PATH", help="The folder of all baselines, or its URL.")]
_NAMED = 5
"""Older records that are named one by one: a folder of many runs has hundreds."""
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("save")
def save(
    name: Annotated[str, typer.Argument(help="The name of the baseline: letters, digits, dots, dashes, underscores.")],
    results: Annotated[
        str, typer.Option(metavar="PATH", help="The results folder, or one model's folder in it, as a path or URL.")
    ] = str(RESULTS),
    models: Annotated[list[str], typer.Option("--model", "-m", help="Only this model or pattern. Repeatable.")] = [],  # noqa: B006
    tasks: Annotated[
        list[str], typer.Option("--task", "-t", help="Only this task, pattern or suite. Repeatable.")
    ] = [],  # noqa: B006
    force: Annotated[bool, typer.Option("--force", help="Replace the whole baseline of this name.")] = False,
    root: _Root = str(BASELINES),
) -> None:
    """Save the latest record of each model and task as a baseline.

    A baseline is a folder of small files, to be committed to Git: for each task a record (JSON) and its answers (CSV,
    or Parquet above 2 MiB). The same records make the same bytes.
    """
    from vlmbench.gate.baselines.store import LARGE_BYTES, check_name, newest_of_pairs, save_baseline
    from vlmbench.gate.sides import side_at

    check_name(name)
    place = results_location(root)
    if not (folder := readable(results)).exists():
        raise UsageError(f"no results folder {results!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    found = side_at(folder)
    notes = [*found.notes]
    chosen = _chosen(models, tasks)
    wanted = [
        entry
        for entry in found.entries
        if chosen.wants_model(*entry.record.model.names) and chosen.wants_task(entry.record.task.name)
    ]
    paired = [entry for entry in wanted if entry.record.predictions is not None]
    if len(paired) < len(wanted):
        left = counted(len(wanted) - len(paired), "imported record")
        notes.append(f"left out: {left}, without predictions to pair")
    entries, others = newest_of_pairs(paired)
    notes += [
        f"left out: {entry.where}: a later record of the same model and task is saved" for entry in others[:_NAMED]
    ]
    if len(others) > _NAMED:
        left = counted(len(others) - _NAMED, "more record")
        notes.append(f"left out: {left}, because a later record of the same model and task is saved")
    for note in notes:
        print_note(f"{note}")
    if not entries:
        raise UsageError(
            f"no record to save in {results!r}" + (" for these models and tasks" if models or tasks else ""),
            hint="Make some with `vlmbench run`, or look at what there is with `vlmbench report results`.",
        )
    saved = save_baseline(
        name,
        entries,
        place,
        replace=force,
        left_out=lambda error: print_note(f"left out: {error.message}"),
    )
    print_line(
        f"Saved {counted(len(saved.entries), 'record')} in {saved.path}, {counted(len(saved.sizes), 'file')}, "
        f"{size_text(saved.size)}"
    )
    if saved.size > LARGE_BYTES:
        print_note(
            f"{size_text(saved.size)} is a lot for a Git repository, which keeps every version. Save "
            f"fewer tasks (-t), run on a subset (--limit N --stratified), or keep it in Git LFS."
        )


@app.command("list")
def list_baselines(as_json: _Json = False, root: _Root = str(BASELINES)) -> None:
    """List the saved baselines."""
    from vlmbench.gate.baselines.store import baseline_names, open_baseline

    saved: list[Baseline] = []
    folder = readable(root)
    for name in baseline_names(folder):
        try:
            saved.append(found := open_baseline(folder / name, broken_left_out=True))
            _name_left_out(found)
        except RecordError as error:  # show the other baselines
            print_note(f"left out: {error.message}")
    Listing(
        columns=[Column("name"), Column("models"), *(Column(name, "right") for name in ("tasks", "files", "size"))],
        rows=[
            [
                found.name,
                ", ".join(_models(found)),
                str(len(_tasks(found))),
                str(len(found.sizes)),
                size_text(found.size),
            ]
            for found in saved
        ],
        data=[_plain(found) for found in saved],
        nothing=f"no baselines in {root!r}",
        hint="Save one: vlmbench baseline save NAME. Compare with it: vlmbench compare NAME CANDIDATE.",
    ).show(as_json=as_json)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A baseline's name, or REVISION:NAME for one in Git's history.")],
    as_json: _Json = False,
    root: _Root = str(BASELINES),
) -> None:
    """Show a baseline's records."""
    from vlmbench.gate.baselines.revisions import baseline_at_revision
    from vlmbench.gate.baselines.store import check_name, open_baseline
    from vlmbench.reports.builders.results import results_table

    folder = readable(root)
    revision, colon, plain_name = name.rpartition(":")
    saved: Baseline | None = None
    if colon:
        entries: Sequence[Entry] = baseline_at_revision(revision, plain_name, folder)
    else:
        check_name(name)
        saved = open_baseline(folder / name, broken_left_out=True)
        _name_left_out(saved)
        entries = saved.entries
    if as_json:
        data = _plain(saved) if saved else {"name": name}
        typer.echo(json.dumps({**data, "records": [_datum(entry) for entry in entries]}, indent=1, ensure_ascii=False))
        return
    table = results_table([entry.record for entry in entries], title=f"Baseline {name}")
    print_table(table)
    if saved:
        print_line("")
        largest = max(saved.sizes, key=lambda file: saved.sizes[file])
        said = f"{counted(len(saved.sizes), 'file')}, {size_text(saved.size)}; the largest is {largest}"
        print_line(f"{said}, {size_text(saved.sizes[largest])}")


def _chosen(models: list[str], tasks: list[str]) -> TableView:
    from vlmbench.cli.report import expanded
    from vlmbench.reports.table_view import TableView

    suites, names = expanded(tasks)
    return TableView(models=models, tasks=[*suites, *names])


def _name_left_out(saved: Baseline) -> None:
    for reason in saved.left_out:
        print_note(f"left out: {reason}")


def _models(saved: Baseline) -> list[str]:
    return sorted({entry.record.model.name for entry in saved.entries})


def _tasks(saved: Baseline) -> list[str]:
    return sorted({entry.record.task.name for entry in saved.entries})


def _plain(saved: Baseline) -> dict[str, Any]:
    return {
        "name": saved.name,
        "path": with_urls(str(saved.path)),
        "models": _models(saved),
        "tasks": _tasks(saved),
        "bytes": saved.size,
        "files": dict(saved.sizes),
    }


def _datum(entry: Entry) -> dict[str, Any]:
    record = entry.record
    return {
        "model": record.model.name,
        "task": record.task.name,
        "metric": record.main_metric,
        "value": record.main.value,
        "n": record.main.n,
        "run_id": record.id,
        "weights_sha256": record.model.weights_sha256,
        "started": record.run.started,
        "where": with_urls(entry.where),
    }
