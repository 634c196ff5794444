"""Makes the ``fewshot`` table: each row is a method on a track, and each number of shots has a column.

``vlmbench report`` prints it. Rows of one model, task and track are ranked together, and rows of other tracks are not.
Published rows stand beside the measured ones, and are never ranked.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.reports.builders.fewshot_against import against_table, heading
from vlmbench.reports.builders.fewshot_charts import charts_of
from vlmbench.reports.builders.fewshot_published import SPLITS, of_other_metrics, published_rows
from vlmbench.reports.cells import DASH, Cell, Label, Score
from vlmbench.reports.curves import Curve, Point, curves_of, in_order
from vlmbench.reports.facts import count
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.standing import LEAKY, LEAKY_TRACK, standing
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.wording import listed

NOTE = (
    "Each number is a mean over draws; its interval covers draws and samples. 0 is zero-shot with the same prompts, "
    "which needs no support images. gain: over zero-shot, with the most shots; worst: the lowest draw; below: draws "
    "below zero-shot, of all draws."
)
COST_COLUMNS = ("trained", "memory", "images", "texts", "test images", "test texts")
COSTS = (
    "Costs are of one draw with the most shots. fit s: seconds to learn, without encoding images and prompts, which "
    "methods share; trained: how many numbers; memory: the largest in use while it learnt; images, texts: how many go "
    "through the image tower and the text tower to learn; test images, test texts: how many for each test image."
)
USUAL_METRIC = "acc1"
"""The metric that has a column only if some row has another one."""
LAST = "last step: what the method ends with without validation, with the most shots."


def fewshot_table(request: TableRequest) -> Table:
    """One row for each curve; or, with ``against``, one for each curve's differences.

    Raises:
        UsageError: the view names a column or a method that the table does not have.
    """
    view = request.view
    curves = [
        curve
        for curve in in_order(curves_of(request.entries.records))
        if view.wants_model(curve.model) and view.wants_task(curve.task)
    ]
    if view.against:
        return against_table(request, curves)
    shots = sorted({point.shots for curve in curves for point in curve.points})
    numbers = () if view.published == "none" or not curves else request.published_fewshot()
    beside = published_rows(curves, shots, numbers, view)
    notes_on_published = [*([SPLITS] if beside else []), *of_other_metrics(curves, numbers)]
    columns = _columns(shots)
    rows = [*(_row(curve, shots, view) for curve in curves), *beside]
    with_costs = not view.columns or any(name.casefold() in COST_COLUMNS for name in view.columns)
    with_last = any(_last(curve) is not None for curve in curves)
    notes = [NOTE, *([COSTS] if with_costs else []), *([LAST] if with_last else [])]
    made = arranged(
        Draft(
            "Few-shot transfer",
            columns,
            rows,
            hidden=_unused(curves),
            ranked=frozenset(f"shots {heading(k)}" for k in shots),
            notes=[*notes, *notes_on_published] if curves else [],
            left_out=request.entries.left_out,
        ),
        view,
    )
    return made.with_charts(charts_of(curves)) if view.curve else made


def _columns(shots: Sequence[int]) -> list[Column]:
    return [
        Column("model", heads=True, repeats=True),
        Column("task", repeats=True),
        Column("method", repeats=True),
        Column("track"),
        Column("metric", repeats=True),
        Column("0", "right", group="shots"),
        *(Column(heading(k), "right", group="shots", strong=k == shots[-1]) for k in shots),
        Column("gain", "right", spare=1),
        Column("last step", "right", spare=2),
        Column("worst", "right", spare=3),
        Column("below", "right", spare=4),
        Column("fit s", "right", spare=5),
        Column("trained", "right", spare=6),
        Column("memory", "right", spare=7),
        Column("images", "right", spare=9),
        Column("texts", "right", spare=10),
        Column("test images", "right", spare=11),
        Column("test texts", "right", spare=12),
        Column("other models", spare=8),
    ]


def _unused(curves: Sequence[Curve]) -> frozenset[str]:
    """Columns that no row fills."""
    costs = [cost for curve in curves for cost in curve.points[-1].costs]
    filled = {
        "metric": any(curve.metric != USUAL_METRIC for curve in curves),
        "last step": any(_last(curve) is not None for curve in curves),
        "memory": any(cost.peak_bytes is not None for cost in costs),
        "test images": any(cost.test_image_passes > 1 for cost in costs),
        "test texts": any(cost.test_text_passes for cost in costs),
        "other models": any(cost.other_models for cost in costs),
    }
    return frozenset(name for name, has in filled.items() if not has)


def _row(curve: Curve, shots: Sequence[int], view: TableView) -> TableRow:
    points = {point.shots: point for point in curve.points}
    most = curve.points[-1]
    leaky = (LEAKY,) if curve.track == LEAKY_TRACK else ()
    cells: list[Cell] = [
        Label(curve.model, origin="measured"),
        curve.task,
        curve.named,
        Label(curve.track, notes=leaky, tone="bad" if leaky else ""),
        curve.metric,
        _plain(curve.zero_shot, view),
        *(_score(curve, points[k], view) if k in points else DASH for k in shots),
        DASH if most.gain is None else Score(most.gain, digits=view.digits, comparable=False, signed=True),
        _plain(_last(curve), view),
        _plain(min(point.worst for point in curve.points), view),
        f"{sum(point.below for point in curve.points)} of {sum(len(point.values) for point in curve.points)}",
        *_costs(most),
    ]
    return TableRow(cells, [datum(curve, point) for point in curve.points])


def _plain(value: float | None, view: TableView) -> Cell:
    return DASH if value is None else Score(value, digits=view.digits, comparable=False)


def _last(curve: Curve) -> float | None:
    """The last step's mean with the most shots that have one."""
    return next((point.last_mean for point in reversed(curve.points) if point.last), None)


def _costs(point: Point) -> list[Cell]:
    """The most that any draw of a point cost."""
    costs = point.costs
    peaks = [cost.peak_bytes for cost in costs if cost.peak_bytes is not None]
    others = list(dict.fromkeys(name for cost in costs for name in cost.other_models))
    return [
        f"{point.fit_seconds:.2g}",
        count(max(cost.parameters for cost in costs)),
        f"{max(peaks) / 2**20:,.0f} MiB" if peaks else DASH,
        f"{max(cost.image_passes for cost in costs):,}",
        f"{max(cost.text_passes for cost in costs):,}",
        f"{max(cost.test_image_passes for cost in costs):,}",
        f"{max(cost.test_text_passes for cost in costs):,}",
        listed(others, most=2) if others else "",
    ]


def _score(curve: Curve, point: Point, view: TableView) -> Score:
    stands = standing(curve.track, len(point.values), point.unranked)
    return Score(
        point.mean,
        interval=point.interval if view.intervals else None,
        digits=view.digits,
        question=f"{curve.model} {curve.task} {curve.track} {curve.metric}",
        comparable=stands.comparable,
        notes=stands.notes,
    )


def datum(curve: Curve, point: Point) -> dict[str, object]:
    """A point of a curve as plain values."""
    low, high = point.interval
    costs = point.costs
    peaks = [cost.peak_bytes for cost in costs if cost.peak_bytes is not None]
    return {
        "origin": "measured",
        "model": curve.model,
        "task": curve.task,
        "method": curve.method,
        "detail": curve.detail,
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
        "last_step": point.last_mean,
        "n": point.samples,
        "fit_seconds": point.fit_seconds,
        "trained_parameters": max(cost.parameters for cost in costs),
        "peak_bytes": max(peaks) if peaks else None,
        "image_passes": max(cost.image_passes for cost in costs),
        "text_passes": max(cost.text_passes for cost in costs),
        "test_image_passes": max(cost.test_image_passes for cost in costs),
        "test_text_passes": max(cost.test_text_passes for cost in costs),
        "other_models": ";".join(dict.fromkeys(name for cost in costs for name in cost.other_models)),
        "leaky": curve.track == LEAKY_TRACK,
    }
