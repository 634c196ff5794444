"""Makes the content of a task's page: the ranking with intervals, adapted models, the dataset and the protocol.

The leaderboard has such a page for each task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.cards import TaskCard
from vlmbench.records import Failure, MetricValue, Summary
from vlmbench.reports.aggregates import Answer, Errors, Place, places
from vlmbench.reports.cells import Origin
from vlmbench.reports.entries import origin
from vlmbench.reports.paired_errors import paired_errors
from vlmbench.reports.published import Published
from vlmbench.reports.scores import remarks_on
from vlmbench.reports.site.board import transfer, variant_text
from vlmbench.reports.site.collect import Collected, ModelOnTask, deviation
from vlmbench.reports.site.few_shot import FewShotPart, few_shot_parts
from vlmbench.reports.site.headings import ModelHeading, TaskHeading
from vlmbench.store import ResultStore

TEMPLATES_SHOWN = 8


@dataclass(frozen=True)
class Ranked:
    """One model's line of the ranking.

    Attributes:
        model: its columns.
        origin: where the number comes from.
        place: its place among measured models; None if it is not ranked.
        metrics: every metric by name; a published number has one.
        remarks: the remarks, in a few words.
    """

    model: ModelHeading
    origin: Origin
    place: Place | None
    metrics: Mapping[str, MetricValue]
    remarks: str


@dataclass(frozen=True)
class TaskPage:
    """All of a task's page.

    Attributes:
        heading: its name, title and metric.
        card: None if it has no card.
        metrics: names, the main one first.
        ranking: the best first; numbers that may not be compared come last.
        paired: whether any two models were compared on the samples that they share.
        unranked: published numbers that answer another question or have a known fault, and why.
        failures: pairs without an answer.
        datasets: the fingerprints of the data, with the models that read it, if there are several.
        few_shot: adapted models, one part for each model and track.
    """

    heading: TaskHeading
    card: TaskCard | None
    metrics: tuple[str, ...]
    ranking: tuple[Ranked, ...]
    paired: bool
    unranked: tuple[tuple[Published, str], ...]
    failures: tuple[Failure, ...]
    datasets: Mapping[str, tuple[str, ...]]
    few_shot: tuple[FewShotPart, ...]


def task_page(
    task: TaskHeading, collected: Collected, models: Mapping[str, ModelHeading], store: ResultStore
) -> TaskPage:
    """The page of a task. The predictions in the store decide whether two models differ."""
    pairs = {model: pair for (model, name), pair in collected.pairs.items() if name == task.name}
    records = [record for pair in pairs.values() for record in pair.records if task.metric in record.metrics]
    ranked = [record for pair in pairs.values() if (record := _ranked_record(pair, task)) is not None]
    errors = paired_errors([record for record in ranked if record.main_metric == task.metric], store)
    numbers = [number for number in collected.published if number.task == task.name]
    usable = [number for number in numbers if not _outside(number, task)]
    others = dict.fromkeys(name for record in records for name in record.metrics if name != task.metric)
    return TaskPage(
        heading=task,
        card=collected.tasks.get(task.name),
        metrics=(task.metric, *others),
        ranking=tuple(_ranking(task, records, ranked, errors, usable, models)),
        paired=bool(errors),
        unranked=tuple((number, why) for number in numbers if (why := _outside(number, task))),
        failures=tuple(pair.failure for pair in pairs.values() if pair.failure),
        datasets=_datasets(ranked),
        few_shot=few_shot_parts(collected.adapted.get(task.name, ())),
    )


def _ranked_record(pair: ModelOnTask, task: TaskHeading) -> Summary | None:
    """A pair's answer to the card's own question. A model has only one in the ranking."""
    for record in pair.records:
        metric = record.metrics.get(task.metric)
        if metric is not None and metric.value is not None and not deviation(record):
            return record
    return None


def _ranking(
    task: TaskHeading,
    records: Sequence[Summary],
    ranked: Sequence[Summary],
    errors: Errors,
    numbers: Sequence[Published],
    models: Mapping[str, ModelHeading],
) -> list[Ranked]:
    found = places({record.model.name: _answer(record.metrics[task.metric]) for record in ranked}, errors)
    lines = [_line(record, found[record.model.name], remarks_on(record, task.metric), models) for record in ranked]
    lines += [_published(task, number, models) for number in numbers]
    sign = -1.0 if task.higher_is_better else 1.0
    lines.sort(key=lambda line: sign * (line.metrics[task.metric].value or 0.0))
    own = {record.id for record in ranked}
    rest = [record for record in records if record.id not in own]
    return lines + [_line(record, None, remarks_on(record, task.metric), models) for record in rest]


def _answer(metric: MetricValue) -> Answer:
    return Answer(metric.value or 0.0, metric.ci95, metric.higher_is_better)


def _line(record: Summary, place: Place | None, said: str, models: Mapping[str, ModelHeading]) -> Ranked:
    return Ranked(models[record.model.name], origin(record), place, record.metrics, said)


def _published(task: TaskHeading, number: Published, models: Mapping[str, ModelHeading]) -> Ranked:
    value = MetricValue(value=number.value, n=0, higher_is_better=task.higher_is_better)
    said = ". ".join(filter(None, [variant_text(number), number.source, number.note]))
    return Ranked(models[number.model], "published", None, {task.metric: value}, said)


def _outside(number: Published, task: TaskHeading) -> str:
    """Why a published number is not in the ranking of a task; "" if it is."""
    return number.flag or ("another metric" if number.metric != task.metric else transfer(number))


def _datasets(records: Sequence[Summary]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for record in records:
        found.setdefault(record.task.dataset.fingerprint, []).append(record.model.name)
    return {key: tuple(models) for key, models in found.items()} if len(found) > 1 else {}
