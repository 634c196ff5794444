"""From files to records: which program's, and what could not be taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import TaskCard
from vlmbench.catalogue import known_task, model_cards
from vlmbench.errors import RecordError, UsageError
from vlmbench.interchange.registry import IMPORTERS
from vlmbench.interchange.results import left_out_note, result_file, to_record
from vlmbench.records import Record
from vlmbench.store import ResultStore

SUFFIXES = (".json", ".jsonl", ".csv")
"""Of the files that a folder is searched for."""


@dataclass(frozen=True)
class ImportOutcome:
    """What became of some files.

    Attributes:
        records: those written; a result that stands in two places is one.
        skipped: why a file, or a row of one, was left out.
        notes: what records are without, since their files have no number there.
    """

    records: Sequence[Record]
    skipped: Sequence[RecordError]
    notes: Sequence[str] = ()


def import_files(program: str, paths: Iterable[Path], store: ResultStore, *, model: str | None = None) -> ImportOutcome:
    """Write what files, or folders of them, hold as records; what cannot be read is named and left out.

    Raises:
        UsageError: no such program, or a path that is not there.
        StoreError: the results folder cannot be written.
    """
    importer = IMPORTERS.get(program)
    if model is not None and not _is_name(model):
        raise UsageError(f"{model!r} is no name of a model", hint="Give --model some text.")
    specs = {card.spec: card.name for card in model_cards() if card.adapter == "open_clip"}
    cards: dict[str, TaskCard | None] = {}
    found: list[Record] = []
    skipped: list[RecordError] = []
    notes: list[str] = []
    store.check_writable()
    for path in _files(paths):
        try:
            file = result_file(program, path)
            for result in importer.read(path, specs, model):
                if isinstance(result, RecordError):
                    skipped.append(result)
                    continue
                if result.task not in cards:
                    cards[result.task] = _card(result.task)
                if result.left_out:
                    notes.append(left_out_note(result))
                found.append(to_record(result, file, cards[result.task]))
        except RecordError as error:
            skipped.append(error)
    return ImportOutcome(store.write_all(found), skipped, notes)


def _is_name(text: str) -> bool:
    """Whether a file can hold it: a command line may have bytes that are no text."""
    return bool(text.strip()) and text.isprintable()


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            inside = sorted(
                entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES and not entry.is_dir()
            )
            if not inside:
                raise UsageError(
                    f"no result files in {str(path)!r}",
                    hint=f"They end in {', '.join(SUFFIXES)}; folders inside it are not searched.",
                )
            yield from inside
        elif os.path.lexists(path):  # what is no regular file is named when it is read
            yield path
        else:
            raise UsageError(f"no file {str(path)!r}")


def _card(task: str) -> TaskCard | None:
    return known_task(task)
