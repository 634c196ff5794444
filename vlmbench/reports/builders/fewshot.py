"""Makes the ``fewshot`` table: each row is a method on a track, and each number of shots has a column.

``vlmbench report`` prints it. Rows of one model, task and track are ranked together, and rows of other tracks are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.reports.cells import DASH, Cell, Label, Score
from vlmbench.reports.curves import Curve, Point, curves_of
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.wording import counted

LEAKY = "its settings were chosen on the test images"
NOTE = (
    "Each number is a mean over draws; its interval covers draws and samples. 0 is zero-shot with the same prompts, "
    "which needs no support images. worst: the lowest draw; below: draws below zero-shot, of all draws."
)


def fewshot_table(request: TableRequest) -> Table:
    """One row for each curve.

    Raises:
        UsageError: the view names a column that the table does not have.
    """
    view = request.view
    curves = [
        curve
        for curve in curves_of(request.entries.records)
        if view.wants_model(curve.model) and view.wants_task(curve.task)
    ]
    shots = sorted({point.shots for curve in curves for point in curve.points})
    columns = [
        Column("model", heads=True, repeats=True),
        Column("task", repeats=True),
        Column("method", repeats=True),
        Column("track"),
        Column("0", "right", group="shots"),
        *(Column(str(k), "right", group="shots", strong=k == shots[-1]) for k in shots),
        Column("worst", "right", spare=1),
        Column("below", "right", spare=2),
        Column("fit s", "right", spare=3),
    ]
    rows = [_row(curve, shots, view) for curve in curves]
    ranked = frozenset(f"shots {k}" for k in shots)
    left_out = request.entries.left_out
    return arranged(Draft("Few-shot transfer", columns, rows, ranked=ranked, notes=[NOTE], left_out=left_out), view)


def _row(curve: Curve, shots: Sequence[int], view: TableView) -> TableRow:
    points = {point.shots: point for point in curve.points}
    leaky = (LEAKY,) if curve.track == "leaky" else ()
    start = curve.zero_shot
    cells: list[Cell] = [
        Label(curve.model, origin="measured"),
        curve.task,
        curve.method,
        Label(curve.track, notes=leaky, tone="bad" if leaky else ""),
        DASH if start is None else Score(start, digits=view.digits, comparable=False),
        *(_score(curve, points[k], view) if k in points else DASH for k in shots),
        Score(min(point.worst for point in curve.points), digits=view.digits, comparable=False),
        f"{sum(point.below for point in curve.points)} of {sum(len(point.values) for point in curve.points)}",
        f"{max(point.fit_seconds for point in curve.points):.2g}",
    ]
    return TableRow(cells, [_datum(curve, point) for point in curve.points])


def _score(curve: Curve, point: Point, view: TableView) -> Score:
    return Score(
        point.mean,
        interval=point.interval if view.intervals else None,
        digits=view.digits,
        question=f"{curve.model} {curve.task} {curve.track}",
        comparable=curve.track != "leaky",
        notes=() if len(point.values) > 1 else (f"{counted(1, 'draw')}: the interval covers samples only",),
    )


def _datum(curve: Curve, point: Point) -> dict[str, object]:
    low, high = point.interval
    return {
        "model": curve.model,
        "task": curve.task,
        "method": curve.method,
        "track": curve.track,
        "shots": point.shots,
        "draws": len(point.values),
        "metric": curve.metric,
        "value": point.mean,
        "ci95_low": low,
        "ci95_high": high,
        "zero_shot": curve.zero_shot,
        "gain": point.gain,
        "worst": point.worst,
        "below_zero_shot": point.below,
        "last_step": sum(point.last.values()) / len(point.last) if point.last else None,
        "n": point.samples,
        "fit_seconds": point.fit_seconds,
        "leaky": curve.track == "leaky",
    }
