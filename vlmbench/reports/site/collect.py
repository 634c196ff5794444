"""Reads everything that the leaderboard shows: records, failures, published numbers and cards. All its pages use it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.asked import remarks_of
from vlmbench.cards import ModelCard, Suite, TaskCard
from vlmbench.catalogue import known_tasks, model_cards, suites
from vlmbench.records import Failure, Summary
from vlmbench.reports.entries import Entries, gather, is_adapted, origin
from vlmbench.reports.published import Published
from vlmbench.store import ResultStore


@dataclass(frozen=True)
class ModelOnTask:
    """The results of one model on one task.

    Attributes:
        records: first the record that tables show, then those of other questions to the same pair.
        failure: the last failure, if no record is newer.
    """

    records: tuple[Summary, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True)
class Collected:
    """The content of the pages.

    Attributes:
        pairs: by model and task.
        records_of: every record of a model.
        published: numbers from papers and model zoos.
        models: the cards of the models, by name. A model may have no card.
        tasks: the cards of the tasks, by name. A task may have no card.
        adapted: records of adapted models, by task.
        suites: every suite.
        notes: which files were left out, and why.
    """

    pairs: Mapping[tuple[str, str], ModelOnTask]
    records_of: Mapping[str, Sequence[Summary]]
    published: Sequence[Published]
    models: Mapping[str, ModelCard]
    tasks: Mapping[str, TaskCard]
    adapted: Mapping[str, Sequence[Summary]]
    suites: Sequence[Suite]
    notes: Sequence[str]


def collect(store: ResultStore, published: Sequence[Published] = (), few_shot: ResultStore | None = None) -> Collected:
    """Read a results folder, without the records' classes, and the cards of what is in it or published.

    Args:
        few_shot: another results folder, whose records of adapted models are shown, too.
    """
    entries = gather(store.summaries())
    others = Entries() if few_shot is None else gather(few_shot.summaries())
    pairs = _pairs(entries)
    records_of: dict[str, list[Summary]] = defaultdict(list)
    for (model, _), pair in pairs.items():
        records_of[model].extend(pair.records)
    adapted: dict[str, list[Summary]] = defaultdict(list)
    for record in (*entries.records, *others.records):
        if is_adapted(record):
            adapted[record.task.name].append(record)
    names = {model for model, _ in pairs} | {number.model for number in published}
    tasks = {task for _, task in pairs} | {number.task for number in published} | set(adapted)
    return Collected(
        pairs=pairs,
        records_of=records_of,
        published=published,
        models={card.name: card for card in model_cards() if card.name in names},
        tasks=_task_cards(tasks),
        adapted=adapted,
        suites=suites(),
        # Other people read the pages, so they do not name folders of this machine.
        notes=[note.replace(f"{store.root}/", "") for note in entries.left_out],
    )


def deviation(record: Summary) -> str:
    """Why a record's numbers must not be compared with others of its column; "" if they may."""
    return ", ".join(remark.brief for remark in remarks_of(record) if remark.unranked)


def _pairs(entries: Entries) -> dict[tuple[str, str], ModelOnTask]:
    answers: dict[tuple[str, str], list[Summary]] = defaultdict(list)
    entries = entries.zero_shot
    for record in entries.records:
        answers[record.model.name, record.task.name].append(record)
    failures = {(failure.model, failure.task): failure for failure in entries.failures}
    return {
        pair: ModelOnTask(_in_order(answers.get(pair, ())), failures.get(pair))
        for pair in sorted({*answers, *failures})
    }


def _in_order(records: Iterable[Summary]) -> tuple[Summary, ...]:
    """Sort records: measured before imported, the card's own question before others, the newest first."""
    found = sorted(records, key=lambda record: record.run.started, reverse=True)
    return tuple(sorted(found, key=lambda record: (origin(record) != "measured", bool(deviation(record)))))


def _task_cards(names: Iterable[str]) -> dict[str, TaskCard]:
    """The cards of these tasks. Other cards are not read, because a card with a thousand classes takes long to read."""
    return known_tasks(names)
