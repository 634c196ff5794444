"""Makes the ``cross-dataset`` table: each row learnt from one task's data, and each column is a task that it answered.

``vlmbench report`` prints it. If the tasks have the same classes, as ImageNet's variants have, it is a table of domain
generalisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from statistics import mean

from vlmbench.records import Summary
from vlmbench.reports.adapted_groups import groups_of, how, named
from vlmbench.reports.cells import DASH, Cell, Label, Score
from vlmbench.reports.draws import Mean, mean_over_draws, mean_over_tasks, newest_of_draws
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.standing import LEAKY, LEAKY_TRACK, standing, unranked_of
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.transfer.asked import ZERO_SHOT

NOTE = (
    "Each method learnt from the train data of the task under 'learnt from', and answered the tasks of the columns. "
    "Each number is a task's main metric, a mean over draws, with an interval that covers draws and samples. average: "
    "over all tasks shown, for rows that have them all; gain: the average minus that of zero-shot."
)


@dataclass(frozen=True)
class Key:
    """What a row is about.

    Attributes:
        detail: what tells it from other rows of the method, see :class:`~vlmbench.reports.adapted_groups.Group`.
    """

    model: str
    source: str
    method: str
    track: str
    detail: str
    shots: int


@dataclass(frozen=True)
class Answered:
    """One task that a method answered.

    Attributes:
        start: zero-shot's number; None: it is not known, or draws have several.
        unranked: remarks that leave it out of rankings.
    """

    metric: str
    found: Mean
    start: float | None
    draws: int
    unranked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Elsewhere:
    """One row: a method that learnt from one task and answered others, by their names."""

    key: Key
    tasks: dict[str, Answered]


def cross_dataset_table(request: TableRequest) -> Table:
    """One row for each model, source, method, track and K, below the zero-shot row of its model and source.

    Raises:
        UsageError: the view names a column that the table does not have.
    """
    view = request.view
    found = elsewhere(
        record
        for record in request.entries.records
        if view.wants_model(*record.model.names) and view.wants_task(record.task.name)
    )
    tasks = list(dict.fromkeys(task for row in found for task in row.tasks))
    columns = [
        Column("model", heads=True, repeats=True),
        Column("learnt from", repeats=True),
        Column("method", repeats=True),
        Column("track", spare=2),
        Column("K", "right"),
        *(Column(task, "right", group="answered") for task in tasks),
        Column("average", "right", strong=True),
        Column("gain", "right", spare=1),
    ]
    rows: list[TableRow] = []
    for model, source in dict.fromkeys((row.key.model, row.key.source) for row in found):
        own = [row for row in found if (row.key.model, row.key.source) == (model, source)]
        rows += [_zero_shot(model, source, own, tasks, view), *(_row(row, tasks, view) for row in own)]
    ranked = frozenset({"average", *(f"answered {task}" for task in tasks)})
    left_out = request.entries.left_out
    return arranged(
        Draft("Cross-dataset transfer", columns, rows, ranked=ranked, notes=[NOTE], left_out=left_out), view
    )


def elsewhere(records: Iterable[Summary]) -> list[Elsewhere]:
    """The records of models that learnt from another task's data, by model, source, method, track, settings and K."""
    rows: dict[Key, dict[str, list[Summary]]] = {}
    for group in groups_of(record for record in records if record.transfer and record.transfer.source is not None):
        first, info = group.records[0], group.how
        for record in group.records:
            key = Key(first.model.name, info.source or "", info.method, info.track, group.detail, how(record).shots)
            rows.setdefault(key, {}).setdefault(first.task.name, []).append(record)
    made = []
    for key, by_task in sorted(rows.items(), key=lambda each: astuple(each[0])):
        answered = {task: found for task, own in by_task.items() if (found := _answered(own)) is not None}
        if answered:
            made.append(Elsewhere(key, answered))
    return made


def _answered(records: Sequence[Summary]) -> Answered | None:
    """The newest record of each draw."""
    own = list(newest_of_draws(records).values())
    found = mean_over_draws([record.main for record in own])
    if found is None:
        return None
    metric = own[0].main_metric
    starts = {record.transfer.zero_shot.get(metric) for record in own if record.transfer}
    start = starts.pop() if len(starts) == 1 else None
    return Answered(metric, found, start, len(own), unranked_of(own))


def _average(row: Elsewhere, tasks: Sequence[str]) -> Mean | None:
    """None unless the row has all tasks."""
    return mean_over_tasks([row.tasks[task].found for task in tasks]) if set(tasks) == set(row.tasks) else None


def _average_start(starts: Sequence[float | None]) -> float | None:
    known = [start for start in starts if start is not None]
    return mean(known) if known and len(known) == len(starts) else None


def _zero_shot(model: str, source: str, rows: Sequence[Elsewhere], tasks: Sequence[str], view: TableView) -> TableRow:
    """Zero-shot on each task; a dash if it is not known, or if rows have several numbers."""
    starts: list[float | None] = []
    for task in tasks:
        found = {round(own.start, 12) for row in rows if (own := row.tasks.get(task)) and own.start is not None}
        starts.append(found.pop() if len(found) == 1 else None)
    average = _average_start(starts)
    cells: list[Cell] = [
        Label(model, origin="measured"),
        source,
        ZERO_SHOT,
        DASH,
        "0",
        *(_plain(start, view) for start in (*starts, average)),
        DASH,
    ]
    data = [
        {"model": model, "learnt_from": source, "task": task, "method": ZERO_SHOT, "shots": 0, "value": start}
        for task, start in zip(tasks, starts, strict=True)
        if start is not None
    ]
    return TableRow(cells, data)


def _plain(value: float | None, view: TableView) -> Cell:
    return DASH if value is None else Score(value, digits=view.digits, comparable=False)


def _row(row: Elsewhere, tasks: Sequence[str], view: TableView) -> TableRow:
    key, average = row.key, _average(row, tasks)
    start = _average_start([row.tasks[task].start for task in tasks if task in row.tasks])
    question = f"{key.model} {key.source} {key.track} {key.shots}"

    leaky = (LEAKY,) if key.track == LEAKY_TRACK else ()

    def score(found: Mean | None, of: Sequence[Answered]) -> Cell:
        if found is None:
            return DASH
        remarks = tuple(dict.fromkeys(remark for each in of for remark in each.unranked))
        stands = standing(key.track, min(each.draws for each in of), remarks)
        return Score(
            found.value,
            found.interval if view.intervals else None,
            digits=view.digits,
            question=question,
            comparable=stands.comparable,
            notes=stands.notes,
        )

    cells: list[Cell] = [
        Label(key.model, origin="measured"),
        key.source,
        named(key.method, key.detail),
        Label(key.track, notes=leaky, tone="bad" if leaky else ""),
        str(key.shots),
        *(score(own.found, [own]) if (own := row.tasks.get(task)) else DASH for task in tasks),
        score(average, list(row.tasks.values())),
        DASH
        if average is None or start is None
        else Score(average.value - start, digits=view.digits, comparable=False, signed=True),
    ]
    return TableRow(cells, [_datum(key, task, own) for task, own in row.tasks.items()])


def _datum(key: Key, task: str, own: Answered) -> dict[str, object]:
    return {
        "model": key.model,
        "learnt_from": key.source,
        "task": task,
        "method": key.method,
        "detail": key.detail,
        "track": key.track,
        "shots": key.shots,
        "draws": own.draws,
        "metric": own.metric,
        "value": own.found.value,
        "ci95_low": own.found.low,
        "ci95_high": own.found.high,
        "zero_shot": own.start,
        "gain": None if own.start is None else own.found.value - own.start,
    }
