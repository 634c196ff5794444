"""The leaderboard: models down, tasks across, and which columns can be seen together."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from vlmbench.records import Failure, Summary
from vlmbench.reports.published import Published
from vlmbench.reports.results import not_above_chance
from vlmbench.reports.site.collect import Collected, Pair
from vlmbench.reports.site.comparable import deviation
from vlmbench.reports.site.facts import UNKNOWN_KIND, ModelFacts, TaskFacts, model_facts, task_facts

Origin = Literal["measured", "imported", "published"]
KIND_TITLES = {
    "classification": "Classification",
    "retrieval": "Retrieval",
    "segmentation": "Segmentation",
    "detection": "Detection",
    "rare_actions": "Rare actions",
    UNKNOWN_KIND: "Other published tasks",
}


@dataclass(frozen=True)
class Cell:
    """One model's answer to one task, or why there is none.

    Attributes:
        value: in the metric's own unit; None where there is none.
        interval: its 95% interval.
        note: what a reader must know beside the number.
        comparable: whether it may be ranked with its column.
        status: "failed" or "unsupported" where that is why there is no value.
        place: 1 for the best of its column, 2 for the second; 0 for others.
    """

    value: float | None = None
    interval: tuple[float, float] | None = None
    note: str = ""
    comparable: bool = True
    status: str = ""
    place: int = 0


@dataclass(frozen=True)
class Row:
    """One model's line.

    Attributes:
        facts: the model's columns.
        origin: where its numbers come from.
        source: of numbers that were not measured here.
        detail: what tells rows of one model apart.
        cells: by task; a task that was never asked is not in it.
    """

    facts: ModelFacts
    origin: Origin
    cells: Mapping[str, Cell]
    source: str = ""
    detail: str = ""


@dataclass(frozen=True)
class View:
    """Tasks that are looked at together, and what they come to for the models that answered all of them.

    Attributes:
        key: for links.
        title: for people.
        group: under which it is offered.
        tasks: the columns.
        means: a row's mean over all of the tasks; None where one is missing or not comparable.
        ranks: a row's mean rank among those that have a mean.
    """

    key: str
    title: str
    group: str
    tasks: tuple[str, ...]
    means: tuple[float | None, ...] = ()
    ranks: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Board:
    """All of it.

    Attributes:
        columns: every task, by kind and name.
        rows: measured models first.
        views: the first is shown first.
    """

    columns: Sequence[TaskFacts] = ()
    rows: Sequence[Row] = ()
    views: Sequence[View] = field(default=())

    @property
    def answers(self) -> int:
        """Numbers that were measured here."""
        return sum(
            cell.value is not None for row in self.rows if row.origin == "measured" for cell in row.cells.values()
        )


def board(collected: Collected) -> Board:
    """The leaderboard of what was collected."""
    columns = _columns(collected)
    rows = _placed([*_measured_rows(collected, columns), *_published_rows(collected, columns)], columns)
    measured = {task for _, task in collected.pairs}
    views = [_with_means(view, rows, columns) for view in _views(collected, columns, measured)]
    return Board(tuple(columns.values()), rows, views)


def _columns(collected: Collected) -> dict[str, TaskFacts]:
    records: dict[str, list[Summary]] = defaultdict(list)
    metrics: dict[str, list[str]] = defaultdict(list)
    names: set[str] = set()
    for (_, task), pair in collected.pairs.items():
        records[task].extend(pair.records)
        names.add(task)
    for number in collected.published:
        metrics[number.task].append(number.metric)
    facts = [
        task_facts(name, collected.tasks.get(name), records.get(name, ()), metrics.get(name, ()))
        for name in sorted(names | set(metrics))
    ]
    order = list(KIND_TITLES)
    facts.sort(key=lambda task: (order.index(task.kind) if task.kind in order else len(order), task.name))
    return {task.name: task for task in facts}


def _measured_rows(collected: Collected, columns: Mapping[str, TaskFacts]) -> list[Row]:
    cells: dict[str, dict[str, Cell]] = defaultdict(dict)
    for (model, task), pair in collected.pairs.items():
        if task in columns and (cell := _measured_cell(pair, columns[task])) is not None:
            cells[model][task] = cell
    return [Row(model_facts(model, collected), "measured", found) for model, found in sorted(cells.items())]


def _measured_cell(pair: Pair, column: TaskFacts) -> Cell | None:
    record = next((record for record in pair.records if column.metric in record.metrics), None)
    if record is None:
        return _failed_cell(pair.failure) if pair.failure else None
    metric = record.metrics[column.metric]
    differs = deviation(record)
    notes = [differs, *([] if record.run.precision == "fp32" else [record.run.precision])]
    if not_above_chance(metric):
        notes.append("not above chance")
    if metric.value is None:
        notes.append("not defined on this data")
    return Cell(metric.value, metric.ci95, ", ".join(filter(None, notes)), comparable=not differs)


def _failed_cell(failure: Failure) -> Cell:
    return Cell(note=failure.message, status=failure.status)


def _published_rows(collected: Collected, columns: Mapping[str, TaskFacts]) -> list[Row]:
    """One row a model, table and variant. A flagged number is on its model's and its task's page, and not here."""
    groups: dict[tuple[str, str, str], list[Published]] = defaultdict(list)
    for number in collected.published:
        if not number.flag and number.metric == columns[number.task].metric:
            groups[number.model, number.table, json.dumps(dict(number.variant), sort_keys=True)].append(number)
    rows = []
    for (model, _, _), numbers in sorted(groups.items()):
        cells = {number.task: Cell(number.value, note=number.note) for number in numbers}
        rows.append(Row(_published_facts(model, numbers[0], collected), "published", cells, *_origin(numbers[0])))
    return rows


def _published_facts(model: str, number: Published, collected: Collected) -> ModelFacts:
    """The model's columns; of the encoders and the data, what the table itself says of this row."""
    variant = number.variant
    facts = replace(model_facts(model, collected), speeds=None)
    return replace(
        facts,
        image_encoder=variant.get("image_encoder", variant.get("backbone", facts.image_encoder)),
        text_encoder=variant.get("text_encoder", facts.text_encoder),
        data=variant.get("data_size", facts.data) if not facts.data else facts.data,
    )


def _origin(number: Published) -> tuple[str, str]:
    return number.source, ", ".join(value for _, value in sorted(number.variant.items()) if value)


def _placed(rows: Sequence[Row], columns: Mapping[str, TaskFacts]) -> list[Row]:
    """The best and the second best of each column, among the comparable; equal values share a place."""
    places: dict[tuple[int, str], int] = {}
    for task, column in columns.items():
        found = {
            index: row.cells[task].value
            for index, row in enumerate(rows)
            if task in row.cells and row.cells[task].comparable and row.cells[task].value is not None
        }
        if len(found) > 1:
            best = sorted({value for value in found.values() if value is not None}, reverse=column.higher_is_better)
            places |= {(index, task): best.index(value) + 1 for index, value in found.items() if value in best[:2]}
    return [
        replace(
            row,
            cells={task: replace(cell, place=places.get((index, task), 0)) for task, cell in row.cells.items()},
        )
        for index, row in enumerate(rows)
    ]


def _views(collected: Collected, columns: Mapping[str, TaskFacts], measured: set[str]) -> list[View]:
    """The measured tasks, every task, each kind and each suite of which at least two have numbers."""
    views = []
    own = tuple(name for name in columns if name in measured)
    if own and len(own) < len(columns):
        views.append(View("measured", "Measured here", "All", own))
    views.append(View("all", "Every task", "All", tuple(columns)))
    for kind in dict.fromkeys(task.kind for task in columns.values()):
        tasks = tuple(name for name, task in columns.items() if task.kind == kind)
        if len(tasks) < len(columns):
            views.append(View(f"kind-{kind}", KIND_TITLES.get(kind, kind), "Kinds", tasks))
    seen = {view.tasks for view in views}
    for suite in collected.suites:
        tasks = tuple(name for name in columns if name in suite.tasks)
        if len(tasks) > 1 and len(tasks) == len(suite.tasks) and tasks not in seen:
            views.append(View(f"suite-{suite.name}", suite.title or suite.name, "Suites", tasks))
    return [view for view in views if view.tasks]


def _with_means(view: View, rows: Sequence[Row], columns: Mapping[str, TaskFacts]) -> View:
    """The mean and the mean rank of the rows that have every task of the view: over equal tasks, or not at all."""
    averaged = [name for name in view.tasks if columns[name].unit == "fraction" and columns[name].higher_is_better]
    complete = {
        index: [row.cells[name].value for name in averaged]
        for index, row in enumerate(rows)
        if averaged and all(_counts(row.cells.get(name)) for name in averaged)
    }
    values = {index: [value for value in found if value is not None] for index, found in complete.items()}
    means = tuple(sum(values[i]) / len(values[i]) if i in values else None for i in range(len(rows)))
    ranks = _mean_ranks(values)
    return replace(view, means=means, ranks=tuple(ranks.get(i) for i in range(len(rows))))


def _counts(cell: Cell | None) -> bool:
    return cell is not None and cell.comparable and cell.value is not None


def _mean_ranks(values: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """Each row's rank among these rows, from 1, averaged over tasks; equal values share the mean of their ranks."""
    totals: dict[int, float] = dict.fromkeys(values, 0.0)
    tasks = len(next(iter(values.values()), ()))
    for task in range(tasks):
        column = sorted(-found[task] for found in values.values())
        for index, found in values.items():
            first, last = bisect_left(column, -found[task]), bisect_right(column, -found[task])
            totals[index] += (first + 1 + last) / 2
    return {index: total / tasks for index, total in totals.items()} if len(values) > 1 else {}
