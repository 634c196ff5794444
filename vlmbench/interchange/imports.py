"""Makes records from the result files of another program. ``vlmbench import`` calls it."""

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
from vlmbench.run.url_store import UrlStore
from vlmbench.store import ResultStore

SUFFIXES = (".json", ".jsonl", ".csv")
"""The endings of the files that are read in a folder."""


@dataclass(frozen=True)
class ImportOutcome:
    """The result of importing some files.

    Attributes:
        records: those written; a result that is in two files is one record.
        skipped: why a file, or a row of one, was left out.
        notes: which metrics records lack, because their files have no number for them.
    """

    records: Sequence[Record]
    skipped: Sequence[RecordError]
    notes: Sequence[str] = ()


def import_files(
    program: str, paths: Iterable[Path], store: ResultStore | UrlStore, *, model: str | None = None
) -> ImportOutcome:
    """Write the results in files, or in folders of files, as records. What cannot be read is left out and named.

    Raises:
        UsageError: there is no such program, or no such path.
        StoreError: the results folder cannot be written.
    """
    importer = IMPORTERS.get(program)
    if model is not None and not _is_name(model):
        raise UsageError(f"{model!r} is not a name for a model", hint="Give --model a name of visible characters.")
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
    """Whether a record can hold the name: a command line may have bytes that are not text."""
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
        elif os.path.lexists(path):  # if it is not a regular file, reading it fails with a message
            yield path
        else:
            raise UsageError(f"no file {str(path)!r}")


def _card(task: str) -> TaskCard | None:
    return known_task(task)
