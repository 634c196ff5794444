"""Everything that the site shows, as it lies on disk: records, failures, published numbers and cards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.cards import ModelCard, Suite, TaskCard
from vlmbench.catalogue import find_tasks, model_cards, suites, task_card_files
from vlmbench.records import Failure, Summary
from vlmbench.reports.published import Published
from vlmbench.reports.results import newest
from vlmbench.reports.site.comparable import deviation
from vlmbench.store import ResultStore, Unreadable


@dataclass(frozen=True)
class Pair:
    """What is known of one model on one task.

    Attributes:
        records: the one that tables show first; the others asked another question of the same pair.
        failure: the last one, where no record is newer.
    """

    records: tuple[Summary, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True)
class Collected:
    """What the pages are made of.

    Attributes:
        pairs: by model and task.
        records_of: every record of a model.
        published: numbers from papers and model zoos.
        models: cards of the models that occur and have one, by name.
        tasks: cards of the tasks that occur and have one, by name.
        suites: every suite.
        notes: what was left out and why.
    """

    pairs: Mapping[tuple[str, str], Pair]
    records_of: Mapping[str, Sequence[Summary]]
    published: Sequence[Published]
    models: Mapping[str, ModelCard]
    tasks: Mapping[str, TaskCard]
    suites: Sequence[Suite]
    notes: Sequence[str]


def collect(store: ResultStore, published: Sequence[Published] = ()) -> Collected:
    """Read a results folder, without the records' classes.

    Args:
        store: where the records are.
        published: what is shown beside them.
    """
    records: list[Summary] = []
    failures: list[Failure] = []
    notes: list[str] = []
    for entry in store.summaries():
        if isinstance(entry, Unreadable):
            notes.append(f"left out: {entry.path.relative_to(store.root)}: {_without_path(entry)}")
        elif isinstance(entry, Failure):
            failures.append(entry)
        else:
            records.append(entry)
    pairs = _pairs(records, failures)
    names = {model for model, _ in pairs} | {number.model for number in published}
    tasks = {task for _, task in pairs} | {number.task for number in published}
    records_of: dict[str, list[Summary]] = defaultdict(list)
    for (model, _), pair in pairs.items():
        records_of[model].extend(pair.records)
    return Collected(
        pairs=pairs,
        records_of=records_of,
        published=published,
        models={card.name: card for card in model_cards() if card.name in names},
        tasks=_task_cards(tasks),
        suites=suites(),
        notes=notes,
    )


def _pairs(records: Sequence[Summary], failures: Iterable[Failure]) -> dict[tuple[str, str], Pair]:
    answers: dict[tuple[str, str], list[Summary]] = defaultdict(list)
    for record in newest(records):
        answers[record.model.name, record.task.name].append(record)
    last: dict[tuple[str, str], Failure] = {}
    for failure in failures:
        known = last.setdefault((failure.model, failure.task), failure)
        last[failure.model, failure.task] = max(known, failure, key=lambda one: one.started)
    pairs = {}
    for pair in sorted({*answers, *last}):
        found = sorted(answers.get(pair, []), key=lambda record: record.run.started, reverse=True)
        found.sort(key=lambda record: bool(deviation(record)))  # stable: the newest of each stays in front
        late = last.get(pair)
        if late is not None and any(record.run.started >= late.started for record in found):
            late = None
        pairs[pair] = Pair(tuple(found), late)
    return pairs


def _task_cards(names: Iterable[str]) -> dict[str, TaskCard]:
    """Only those that occur are read: a card with a thousand classes takes its time."""
    known = task_card_files()
    return {name: find_tasks(name)[0] for name in sorted(names) if name in known}


def _without_path(entry: Unreadable) -> str:
    """The reason alone: a page that others read names no folder of this machine."""
    return entry.reason.removeprefix(f"{entry.path}: ")
