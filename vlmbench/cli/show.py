"""The command ``vlmbench show``: writes one record as a page, with its worst samples, and opens the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmbench.cli.console import print_line, print_note, write_output
from vlmbench.cli.heavy_imports import heavy_imports
from vlmbench.errors import OutputError, UsageError, unexpected
from vlmbench.paths import BASELINES, RESULTS, user_path
from vlmbench.storage.mirror import is_copy, readable
from vlmbench.wording import counted

if TYPE_CHECKING:  # the help must not wait for these imports
    from vlmbench.cards import TaskCard
    from vlmbench.gate.record_choice import Chosen
    from vlmbench.records import Record
    from vlmbench.reports.site.record_page import Data, RecordPage

MOST_SAMPLES = 200
"""The largest number of samples that a page may show."""
_BROWSER_SECONDS = 5.0
"""How long the command waits for the browser. Some browsers do not end until their window is closed."""


def show(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD",
            help="A record's file, a run id or its first characters, MODEL/TASK, or BASELINE/TASK.",
        ),
    ],
    results: Annotated[
        str, typer.Option(metavar="PATH", help="The results folder, or its URL, for run ids and MODEL/TASK.")
    ] = str(RESULTS),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the page, or the JSON, to this file.", show_default="beside the record"
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option("--samples", "-n", help="Show at most this number of the worst samples.", min=0, max=MOST_SAMPLES),
    ] = 12,
    data_root: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The folder with your datasets, or its URL. The samples' pictures are read from it.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the numbers and the worst samples as JSON, and write no page.")
    ] = False,
    open_page: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open the page in a browser.", show_default="if there is a screen"),
    ] = None,
    baselines: Annotated[str, typer.Option(metavar="PATH", help="The folder of all baselines, or its URL.")] = str(
        BASELINES
    ),
) -> None:
    """Show one record as a page: its numbers, its remarks, and the samples with the worst answers.

    The page is one HTML file. It loads nothing from the network, so you can send it to others. It contains the samples'
    pictures if the dataset can be opened again and its files have not changed.
    """
    from vlmbench.gate.record_choice import choose_record

    chosen = choose_record(record, readable(results), readable(baselines))
    if chosen.older:
        others = ", ".join(entry.record.id for entry in chosen.older[:5])
        print_note(f"this is the newest of {counted(len(chosen.older) + 1, 'record')} of its model and task: {others}")
    file = user_path(output) if output else None
    _check_free(file, chosen)
    page = _page(chosen, samples, data_root, pictures=not as_json)
    if as_json:
        write_output(json.dumps(_plain(chosen, page), indent=1, ensure_ascii=False) + "\n", file)
        return
    from vlmbench.reports.site.record_html import record_html

    path = _write(record_html(page), chosen, file)
    print_line(str(path))
    if page.without_pictures:
        print_note(page.without_pictures)
    if path.is_file() and (open_page if open_page is not None else _has_screen()) and not _open(path):
        print_note("no browser could be opened; open the file yourself")


def _check_free(output: Path | None, chosen: Chosen) -> None:
    """Refuse to write over the record itself or over its predictions."""
    place, predictions = Path(chosen.entry.where), chosen.entry.record.predictions
    own = [place, place.with_suffix(".parquet"), place.with_suffix(".csv")]
    own += [place.with_name(predictions.file)] if predictions else []
    if output and os.path.exists(output) and any(os.path.exists(path) and output.samefile(path) for path in own):
        raise UsageError(f"{str(output)!r} is the record that is shown", hint="Name another file with -o.")


def _page(chosen: Chosen, count: int, data_root: str | None, *, pictures: bool) -> RecordPage:
    from vlmbench.card_files import model_card_files
    from vlmbench.catalogue import known_task
    from vlmbench.reports.site.record_page import Data, record_page
    from vlmbench.store import VISUALS

    record, folder = chosen.entry.record, Path(chosen.entry.where).parent
    card = known_task(record.task.name)
    return record_page(
        record,
        chosen.entry.table,
        folder,
        folder / f"{record.id}{VISUALS}",
        card=card,
        cards=model_card_files(),
        open_data=(lambda: _open_data(record, data_root)) if pictures else Data,
        count=count,
    )


def _open_data(record: Record, data_root: str | None) -> Data:
    """Open the record's data from this machine. Nothing is downloaded."""
    from vlmbench.remarks.base import gathered_remarks
    from vlmbench.remarks.codes import WARNING
    from vlmbench.reports.site.record_page import Data, data_problem

    try:
        with heavy_imports():  # a task's plugin imports torch
            from vlmbench.data.location import user_data_root
            from vlmbench.data.open import open_dataset
            from vlmbench.run.opened import source_context
            from vlmbench.run.plan import check_data_root
            from vlmbench.tasks import task_plugin

            task_plugin(record.task.plugin)
        with gathered_remarks(WARNING):  # the record already has these remarks
            root = user_data_root(data_root)
            check_data_root(root)
            card = _task_of(record)
            own = record.task.protocol.get("class_names_from") == "option"
            names = tuple(row.name for row in record.per_class) if own else None
            context = source_context(card, task_plugin(card.plugin), root, offline=True, own_names=names)
            return Data(open_dataset(card.sources, context))
    except Exception as error:  # a source may raise any error; the page is then shown without pictures
        return Data(problem=data_problem(unexpected(error)))


def _task_of(record: Record) -> TaskCard:
    """The card of a record's task.

    The task's name comes from a file that others may have written. So it may mean only this one task, and no pattern.

    Raises:
        UsageError: there is no such task.
    """
    from vlmbench.run.names import resolve_tasks

    found = resolve_tasks([record.task.name])
    if len(found) != 1 or found[0].name != record.task.name or found[0].plugin != record.task.plugin:
        raise UsageError(f"no task {record.task.name!r} of the kind {record.task.plugin!r} is known here")
    return found[0]


def _write(html: str, chosen: Chosen, output: Path | None) -> Path:
    """Write the page, and return its path.

    The file is the one that the user named; otherwise it is beside the record. If that folder cannot be written, or is
    a baseline's, or the record is at a URL, the file is in a temporary folder.
    """
    if output is not None:
        write_output(html, output)
        return output.absolute()
    record = chosen.entry.record
    # A baseline's folder is for Git, and a copy of a URL is for the cache: the page belongs in neither.
    if not chosen.of_baseline and not is_copy(Path(chosen.entry.where)):
        beside = Path(chosen.entry.where).absolute().with_name(f"{record.id}.html")
        try:
            write_output(html, beside)
            return beside
        except OutputError:
            print_note(f"{beside.parent} cannot be written, so the page is in a temporary folder")
    path = Path(tempfile.mkdtemp(prefix="vlmbench-show-")) / f"{record.id}.html"
    write_output(html, path)
    return path


def _has_screen() -> bool:
    """Whether a user can see a page: the output is a terminal, and a window can be opened."""
    if not sys.stdout.isatty():
        return False
    windows = sys.platform in ("darwin", "win32") and "SSH_CONNECTION" not in os.environ
    return windows or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(path: Path) -> bool:
    """Open a file in the browser; returns whether that worked.

    The browser is a process of its own, because some browsers end only when their window is closed.
    """
    # -I: a file webbrowser.py in the user's folder is not run. The module's own command ends with 0 in any case.
    opener = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1], new=2))"
    command = [sys.executable, "-I", "-c", opener, path.as_uri()]
    quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        return subprocess.Popen(command, start_new_session=True, **quiet).wait(_BROWSER_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False


def _plain(chosen: Chosen, page: RecordPage) -> dict[str, Any]:
    record = chosen.entry.record
    return {
        "id": record.id,
        "record": chosen.entry.where,
        "model": record.model.name,
        "task": record.task.name,
        "asked": page.sentence,
        "main_metric": record.main_metric,
        "metrics": {name: metric.model_dump(mode="json") for name, metric in record.metrics.items()},
        "remarks": [
            {"code": remark.code, "sentence": remark.sentence, "meaning": remark.meaning, "unranked": remark.unranked}
            for remark in page.remarked
        ],
        "confusions": [
            {"true": pair.true, "predicted": pair.predicted, "samples": pair.count} for pair in page.confusions
        ],
        "order": page.order,
        "without_samples": page.without_samples,
        "worst": [
            {
                "sample": sample.id,
                "content": sample.content,
                "reason": sample.reason,
                "truth": list(sample.truth),
                "answer": [{"text": line.text, "score": line.score, "right": line.right} for line in sample.answer],
                "found": [{"text": found.text, "sample": found.sample} for found in sample.found],
            }
            for sample in page.samples
        ],
    }
