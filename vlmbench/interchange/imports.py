"""From files to records: which program's, and what could not be taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vlmbench.cards import TaskCard
from vlmbench.catalogue import find_tasks, model_cards, task_card_files
from vlmbench.errors import RecordError, UsageError
from vlmbench.interchange import clip_benchmark, open_clip
from vlmbench.interchange.results import Result, to_record
from vlmbench.records import Record
from vlmbench.registry import did_you_mean
from vlmbench.store import ResultStore

PROGRAMS = ("clip_benchmark", "open_clip")


@dataclass
class ImportOutcome:
    """What became of some files.

    Attributes:
        records: those written.
        skipped: why a file, or a row of one, was left out.
    """

    records: list[Record] = field(default_factory=list)
    skipped: list[RecordError] = field(default_factory=list)


def import_files(program: str, paths: Iterable[Path], store: ResultStore, *, model: str | None = None) -> ImportOutcome:
    """Write what files hold as records; what cannot be read is named and left out.

    Args:
        program: whose files they are: "clip_benchmark" or "open_clip".
        paths: files, or folders of them.
        store: where records go.
        model: the model's name, where the files do not say it.

    Raises:
        UsageError: no such program, or a path that is not there.
        StoreError: the results folder cannot be written.
    """
    if program not in PROGRAMS:
        raise UsageError(f"unknown program {program!r}", hint=did_you_mean(program, PROGRAMS))
    outcome = ImportOutcome()
    specs = {card.spec: card.name for card in model_cards() if card.adapter == "open_clip"}
    cards: dict[str, TaskCard | None] = {}
    store.check_writable()
    for path in _files(paths):
        try:
            for result in _read(program, path, specs, model):
                if isinstance(result, RecordError):
                    outcome.skipped.append(result)
                    continue
                if result.task not in cards:
                    cards[result.task] = _card(result.task)
                record = to_record(result, program, path, cards[result.task])
                store.write(record, None)
                outcome.records.append(record)
        except RecordError as error:
            outcome.skipped.append(error)
    return outcome


def _read(program: str, path: Path, specs: dict[str, str], model: str | None) -> Iterator[Result | RecordError]:
    if program == "open_clip":
        return open_clip.read_results(path, specs, model)
    return clip_benchmark.read_results(path, specs)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(entry for entry in path.iterdir() if entry.suffix in (".json", ".jsonl", ".csv"))
        elif path.is_file():
            yield path
        else:
            raise UsageError(f"no file {str(path)!r}")


def _card(task: str) -> TaskCard | None:
    return find_tasks(task)[0] if task in task_card_files() else None
