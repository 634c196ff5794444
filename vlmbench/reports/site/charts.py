"""Makes the data of the plots: accuracy against cost with its Pareto front, and ImageNet against its shifted versions.

The leaderboard's scripts draw them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.reports.site.board import Board, BoardRow

CLEAN = "imagenet1k"
SHIFTS = ("imagenet-v2", "imagenet-a", "imagenet-r", "imagenet-sketch", "objectnet")
"""Versions of ImageNet with all or some of its labels. ImageNet-O is not one of them: it tests the detection of unknown
classes."""


@dataclass(frozen=True)
class Cost:
    """A cost of models, as an axis.

    Attributes:
        key: for links.
        title: of the axis.
        low_is_good: true for parameters and operations, false for throughput.
        values: of each row; None if unknown.
    """

    key: str
    title: str
    low_is_good: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Measure:
    """A score of models, as an axis: the mean of a view, or one task.

    Attributes:
        key: the view's or the task's, as in links.
        title: of the axis.
        values: of each row; None if the row has no value.
        fronts: for each cost, the rows on the Pareto front, the cheapest first.
        among: which rows the fronts compare: only answers to the same question.
    """

    key: str
    title: str
    values: tuple[float | None, ...]
    fronts: Mapping[str, tuple[int, ...]]
    among: str


def costs(board: Board) -> list[Cost]:
    """The costs that at least one row states."""
    rows = board.rows
    found = [
        Cost("parameters", "Parameters", True, tuple(_number(row.model.parameters) for row in rows)),
        Cost("gflops", "GFLOPs, one image and one text", True, tuple(row.model.gflops for row in rows)),
        *(Cost(f"speed: {device}", f"Images a second ({device})", False, speeds) for device, speeds in _speeds(rows)),
    ]
    return [cost for cost in found if any(value is not None for value in cost.values)]


def measures(board: Board, against: Sequence[Cost]) -> list[Measure]:
    """The views' means, then the tasks, each with its Pareto front against every cost."""
    axes: list[tuple[str, str, tuple[float | None, ...]]] = [
        (view.key, f"Mean over {len(view.tasks)}: {view.title}", view.means) for view in board.views
    ]
    for task in board.columns:
        if task.averaged:
            values = tuple(row.value(task.name) for row in board.rows)
            axes.append((f"task-{task.name}", f"{task.title}, {task.metric}", values))
    return [
        _measure(key, title, values, board.rows, against)
        for key, title, values in axes
        if any(value is not None for value in values)
    ]


def _measure(
    key: str, title: str, values: tuple[float | None, ...], rows: Sequence[BoardRow], against: Sequence[Cost]
) -> Measure:
    """A measure. Its fronts compare only records, or, if there are no records, the published table with most
    numbers."""
    tables = Counter(row.table for row, value in zip(rows, values, strict=True) if value is not None)
    table = "" if tables[""] else tables.most_common(1)[0][0]
    alike = [value if row.table == table else None for row, value in zip(rows, values, strict=True)]
    fronts = {cost.key: pareto(cost, alike) for cost in against}
    origins = dict.fromkeys(row.origin for row, value in zip(rows, alike, strict=True) if value is not None)
    return Measure(key, title, values, fronts, f"published by {table}" if table else " or ".join(origins))


def pareto(cost: Cost, values: Sequence[float | None]) -> tuple[int, ...]:
    """The rows on the Pareto front: no other row is at least as cheap and better, or at least as good and cheaper."""
    sign = 1.0 if cost.low_is_good else -1.0
    points = [
        (sign * price, -value, index)
        for index, (price, value) in enumerate(zip(cost.values, values, strict=True))
        if price is not None and value is not None
    ]
    front: list[int] = []
    best: tuple[float, float] | None = None  # the price and the negated value of the last row on the front
    for price, negated, index in sorted(points):
        if best is None or negated < best[1] or (price, negated) == best:
            front.append(index)
            best = (price, negated)
    return tuple(front)


@dataclass(frozen=True)
class Robustness:
    """ImageNet against one of its shifts.

    Attributes:
        key: the shift's task, or "mean" for the mean of all of them.
        title: of the axis.
        values: of each row with both numbers; None for others.
    """

    key: str
    title: str
    values: tuple[float | None, ...]


def robustness(board: Board) -> list[Robustness]:
    """The shifts for which a row has a number, and one of ImageNet too. Their mean comes first if a row has all."""
    titles = {task.name: task.title for task in board.columns}
    each = [Robustness(task, titles[task], _shift(board, (task,))) for task in SHIFTS if task in titles]
    if all(task in titles for task in SHIFTS):
        each.insert(0, Robustness("mean", f"Mean of {len(SHIFTS)} shifts", _shift(board, SHIFTS)))
    return [shift for shift in each if any(value is not None for value in shift.values)]


def clean(board: Board) -> tuple[float | None, ...]:
    """Each row's ImageNet accuracy."""
    return tuple(row.value(CLEAN) for row in board.rows)


def _shift(board: Board, tasks: Sequence[str]) -> tuple[float | None, ...]:
    return tuple(_mean([row.value(task) for task in (CLEAN, *tasks)]) for row in board.rows)


def _mean(found: Sequence[float | None]) -> float | None:
    """The mean of all values but the first, which is ImageNet; None if one is missing."""
    values = [value for value in found if value is not None]
    return sum(values[1:]) / len(values[1:]) if len(values) == len(found) else None


def _speeds(rows: Sequence[BoardRow]) -> list[tuple[str, tuple[float | None, ...]]]:
    """An axis for each device: throughputs of two devices are not comparable."""
    known = [row.model.speeds for row in rows]
    devices = sorted({device for speeds in known for device in speeds})
    return [(device, tuple(speeds.get(device) for speeds in known)) for device in devices]


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)
