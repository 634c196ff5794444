"""What a task's page shows: its ranking with intervals, its dataset and its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.cards import TaskCard
from vlmbench.records import Failure, MetricValue, Summary
from vlmbench.reports.published import Published
from vlmbench.reports.results import remarks
from vlmbench.reports.site.collect import Collected
from vlmbench.reports.site.comparable import deviation
from vlmbench.reports.site.facts import ModelFacts, TaskFacts, model_facts

TEMPLATES_SHOWN = 8


@dataclass(frozen=True)
class Ranked:
    """One model's line of the ranking.

    Attributes:
        facts: the model's columns.
        places: "2", or "1–3" where the intervals cannot tell which; "" for what is not ranked.
        metrics: every metric by name; of a published number, that one.
        remarks: what a reader must know beside the number.
        number: the published number; None where it was measured.
    """

    facts: ModelFacts
    places: str
    metrics: Mapping[str, MetricValue]
    remarks: str
    number: Published | None = None


@dataclass(frozen=True)
class TaskPage:
    """All of a task's page.

    Attributes:
        facts: its heading.
        card: None where it has none.
        metrics: names, the main one first.
        ranking: the best first; what is not comparable comes last.
        flagged: published numbers that must not be used as they stand.
        failures: pairs that gave no answer.
        datasets: fingerprints of the data that was read, with the models that read it, where there are several.
    """

    facts: TaskFacts
    card: TaskCard | None
    metrics: tuple[str, ...]
    ranking: tuple[Ranked, ...]
    flagged: tuple[Published, ...]
    failures: tuple[Failure, ...]
    datasets: Mapping[str, tuple[str, ...]]


def task_page(task: TaskFacts, collected: Collected) -> TaskPage:
    """A task's page from what was collected."""
    pairs = {model: pair for (model, name), pair in collected.pairs.items() if name == task.name}
    records = [record for pair in pairs.values() for record in pair.records if task.metric in record.metrics]
    numbers = [number for number in collected.published if number.task == task.name]
    usable = [number for number in numbers if not number.flag and number.metric == task.metric]
    others = dict.fromkeys(name for record in records for name in record.metrics if name != task.metric)
    return TaskPage(
        facts=task,
        card=collected.tasks.get(task.name),
        metrics=(task.metric, *others),
        ranking=tuple(_ranking(task, records, usable, collected)),
        flagged=tuple(number for number in numbers if number not in usable),
        failures=tuple(pair.failure for pair in pairs.values() if pair.failure),
        datasets=_datasets(records),
    )


def places(metrics: Sequence[MetricValue]) -> list[str]:
    """The places that 95% intervals leave open to each of these answers.

    Above an answer are surely those whose whole interval is better than its own; below it, those whose whole interval
    is worse. An answer without an interval counts as exact.
    """
    spans = [_span(metric) for metric in metrics]
    found = []
    for low, high in spans:
        first = 1 + sum(other_low > high for other_low, _ in spans)
        last = len(spans) - sum(other_high < low for _, other_high in spans)
        found.append(str(first) if first == last else f"{first}–{last}")
    return found


def _span(metric: MetricValue) -> tuple[float, float]:
    """The interval with the better end second, whichever direction is better."""
    value = metric.value or 0.0
    low, high = metric.ci95 or (value, value)
    return (low, high) if metric.higher_is_better else (-high, -low)


def _ranking(
    task: TaskFacts, records: Sequence[Summary], numbers: Sequence[Published], collected: Collected
) -> list[Ranked]:
    ranked = [record for record in records if not deviation(record) and record.metrics[task.metric].value is not None]
    open_places = places([record.metrics[task.metric] for record in ranked])
    lines = [
        Ranked(model_facts(record.model.name, collected), where, record.metrics, remarks(record))
        for record, where in zip(ranked, open_places, strict=True)
    ]
    lines += [_published(task, number, collected) for number in numbers]
    sign = -1.0 if task.higher_is_better else 1.0
    lines.sort(key=lambda line: sign * (line.metrics[task.metric].value or 0.0))
    places_of = {record.id for record in ranked}
    rest = [record for record in records if record.id not in places_of]
    return lines + [
        Ranked(model_facts(record.model.name, collected), "", record.metrics, deviation(record) or remarks(record))
        for record in rest
    ]


def _published(task: TaskFacts, number: Published, collected: Collected) -> Ranked:
    detail = ", ".join(value for _, value in sorted(number.variant.items()) if value)
    value = MetricValue(value=number.value, n=0, higher_is_better=task.higher_is_better)
    said = ". ".join(filter(None, [detail, number.source, number.note]))
    return Ranked(model_facts(number.model, collected), "", {task.metric: value}, said, number)


def _datasets(records: Sequence[Summary]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for record in records:
        if not deviation(record):
            found.setdefault(record.task.dataset.fingerprint, []).append(record.model.name)
    return {key: tuple(models) for key, models in found.items()} if len(found) > 1 else {}
