"""Pairs the records of two sides by model and task. ``vlmbench compare`` uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from vlmbench.errors import UsageError
from vlmbench.gate.adapted_settings import Settings, settings_of, told
from vlmbench.gate.entry import Entry
from vlmbench.gate.mismatches import mismatches
from vlmbench.registry import did_you_mean


@dataclass(frozen=True)
class RecordPair:
    """One task of one model on both sides. The record of one side may be missing.

    Attributes:
        task: the name of the question, see :attr:`vlmbench.records.Summary.asked`.
        detail: the settings of the method, such as "alpha=0", if a side has the question with several settings.
    """

    task: str
    baseline_model: str
    candidate_model: str
    baseline: Entry | None
    candidate: Entry | None
    detail: str = ""

    @property
    def named(self) -> str:
        """The question, with what tells it from others of the same name."""
        return f"{self.task} ({self.detail})" if self.detail else self.task


def pair_entries(
    baseline: Sequence[Entry],
    candidate: Sequence[Entry],
    *,
    baseline_model: str | None = None,
    candidate_model: str | None = None,
) -> list[RecordPair]:
    """Every (model, task) of the baseline's models, on both sides.

    If each side has one model, or one is chosen on each side, these two are compared, with any names. Otherwise models
    are paired by name, and models that only the candidate has are left out. If a pair has several records (with
    different limits, prompts or precisions), the two records with the fewest differences are compared; of several such
    pairs, the newest. Records whose weights differ from the newest record's belong to another model. If both sides have
    records of the same settings of a method, each of the settings is a pair of its own.

    Raises:
        UsageError: a chosen model does not exist, or the two sides have several models and no common name.
    """
    before, after = _by_model(baseline), _by_model(candidate)
    before = _chosen(before, baseline_model, "baseline")
    after = _chosen(after, candidate_model, "candidate")
    if len(before) == 1 and len(after) == 1:
        couples = [(next(iter(before)), next(iter(after)))]
    else:
        if not before.keys() & after.keys():
            raise UsageError(
                "the two sides have no common model, and one of them has several; choose the models to compare\n"
                f"  baseline: {', '.join(sorted(before))}\n  candidate: {', '.join(sorted(after))}",
                hint="Use --baseline-model NAME and --candidate-model NAME.",
            )
        couples = [(name, name) for name in sorted(before)]
    return [pair for old, new in couples for pair in _tasks(old, new, before.get(old, {}), after.get(new, {}))]


_Tasks = Mapping[str, Sequence[Entry]]


def _by_model(entries: Iterable[Entry]) -> dict[str, dict[str, list[Entry]]]:
    found: dict[str, dict[str, list[Entry]]] = {}
    for entry in entries:
        found.setdefault(entry.record.model.name, {}).setdefault(entry.record.asked, []).append(entry)
    return found


def _chosen(
    models: dict[str, dict[str, list[Entry]]], name: str | None, side: str
) -> dict[str, dict[str, list[Entry]]]:
    if name is None:
        return models
    if name not in models:
        raise UsageError(f"the {side} has no model {name!r}", hint=did_you_mean(name, models) or None)
    return {name: models[name]}


def _tasks(old: str, new: str, before: _Tasks, after: _Tasks) -> Iterator[RecordPair]:
    before, after = _of_newest_model(before), _of_newest_model(after)
    for task in sorted(before.keys() | after.keys()):
        for settings, olds, news in _by_settings(before.get(task, ()), after.get(task, ())):
            yield RecordPair(task, old, new, *_closest(olds, news), settings)


def _by_settings(
    before: Sequence[Entry], after: Sequence[Entry]
) -> Iterator[tuple[str, Sequence[Entry], Sequence[Entry]]]:
    """The records of one question with what tells their settings apart: all together if the sides share no settings."""
    olds, news = _of_settings(before), _of_settings(after)
    every = sorted(olds.keys() | news.keys())
    one_side = not before or not after
    if len(every) < 2 or not (one_side or olds.keys() & news.keys()):
        yield "", before, after
        return
    for settings in every:
        yield told(settings, every), olds.get(settings, ()), news.get(settings, ())


def _of_settings(entries: Iterable[Entry]) -> dict[Settings, list[Entry]]:
    found: dict[Settings, list[Entry]] = {}
    for entry in entries:
        found.setdefault(settings_of(entry.record), []).append(entry)
    return found


def _closest(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[Entry | None, Entry | None]:
    if not before or not after:
        return _newest(before), _newest(after)

    def order(pair: tuple[Entry, Entry]) -> tuple[int, str, str]:
        same = -len(mismatches(pair[0].record, pair[1].record))
        return same, pair[1].record.run.started, pair[0].record.run.started

    return max(product(before, after), key=order)


def _of_newest_model(tasks: _Tasks) -> dict[str, list[Entry]]:
    """The records of the model that ran last: several releases may have had one name.

    For a task that this model has not answered: the records of the model that answered it last.
    """
    newest = _newest([entry for entries in tasks.values() for entry in entries])
    return {task: _of_one_model(entries, newest) for task, entries in tasks.items()}


def _of_one_model(entries: Sequence[Entry], wanted: Entry | None) -> list[Entry]:
    keys = {entry.record.model.key for entry in entries}
    chosen = wanted if wanted is not None and wanted.record.model.key in keys else _newest(entries)
    return [entry for entry in entries if chosen is not None and entry.record.model.key == chosen.record.model.key]


def _newest(entries: Sequence[Entry]) -> Entry | None:
    return max(entries, key=lambda entry: entry.record.run.started, default=None)
