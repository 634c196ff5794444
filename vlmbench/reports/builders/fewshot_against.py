"""Makes the table of ``vlmbench report fewshot --against METHOD``: differences from one method on the same draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean
from vlmbench.reports.cells import DASH, Cell, Label, Score
from vlmbench.reports.curves import Curve, Point
from vlmbench.reports.paired_draws import PairedDraws, against_method, against_zero_shot
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.transfer.asked import ZERO_SHOT

NOTE = (
    "Each number is a mean difference over draws in which both methods learnt from the same images. Its interval is "
    "Student's over the draws' differences, as of a paired t-test, and covers other test images too. better: draws in "
    "which the method is better, of all draws."
)
DRAWS_ONLY = "the interval covers draws only: predictions of both methods are not there, or show no sample's part"


def heading(shots: int) -> str:
    """The heading of a number of shots. 0 is zero-shot's; of methods that learn from no images it is "none"."""
    return str(shots) if shots else "none"


def against_table(request: TableRequest, curves: Sequence[Curve]) -> Table:
    """One row for each curve of another method, on the tracks on which the method ran.

    If the method ran with several settings, there is a row for each of them, which names them.

    Raises:
        UsageError: no record is of the method.
    """
    view, method = request.view, request.view.against
    others: dict[tuple[str, ...], list[Curve | None]] = {}
    for curve in curves:
        if curve.method == method:
            others.setdefault((curve.model, curve.task, curve.track, curve.metric), []).append(curve)
    if not others and method != ZERO_SHOT and curves:
        known = [ZERO_SHOT, *dict.fromkeys(curve.method for curve in curves)]
        hint = did_you_mean(method, known) or f"Known: {', '.join(known)}."
        raise UsageError(f"no record here is of the method {method!r}", hint=hint)
    shots = sorted({point.shots for curve in curves for point in curve.points})
    rows, alone, several = list[TableRow](), list[str](), False
    for curve in curves:
        if curve.method == method:
            continue
        candidates = others.get((curve.model, curve.task, curve.track, curve.metric), [None])
        paired = [(other, found) for other in candidates if (found := _differences(curve, other, request))]
        rows += [_row(curve, other, found, shots, view) for other, found in paired]
        several = several or any(other is not None and bool(other.detail) for other, _ in paired)
        if not paired:
            alone.append(f"{curve.named} ({curve.track}) on {curve.task}")
    columns = [
        Column("model", heads=True, repeats=True),
        Column("task", repeats=True),
        Column("method", repeats=True),
        Column("track"),
        Column("against"),
        *(Column(heading(k), "right", group="shots", strong=k == shots[-1]) for k in shots),
        Column("better", "right", spare=1),
    ]
    lone = f"No draw with the same images, prompts, weights and track as {method}: {', '.join(alone)}."
    notes = [NOTE, *([lone] if alone else [])]
    title = f"Few-shot transfer: difference from {method} in points, on the same draws"
    hidden = frozenset() if several else frozenset({"against"})
    return arranged(Draft(title, columns, rows, hidden, notes=notes, left_out=request.entries.left_out), view)


def _differences(curve: Curve, other: Curve | None, request: TableRequest) -> dict[int, tuple[Point, PairedDraws]]:
    """By the number of shots."""
    found: dict[int, tuple[Point, PairedDraws]] = {}
    theirs = {point.shots: point for point in other.points} if other else {}
    for point in curve.points:
        if request.view.against == ZERO_SHOT:
            paired = against_zero_shot(point, curve, request.store)
        elif point.shots in theirs:
            paired = against_method(point, theirs[point.shots], curve, request.store)
        else:
            paired = None
        if paired is not None:
            found[point.shots] = point, paired
    return found


def _row(
    curve: Curve,
    other: Curve | None,
    found: Mapping[int, tuple[Point, PairedDraws]],
    shots: Sequence[int],
    view: TableView,
) -> TableRow:
    every = [paired for _, paired in found.values()]
    cells: list[Cell] = [
        Label(curve.model, origin="measured"),
        curve.task,
        curve.named,
        Label(curve.track, tone="bad" if curve.track == "leaky" else ""),
        other.named if other else view.against,
        *(_score(found[k][1], view) if k in found else DASH for k in shots),
        f"{sum(paired.better for paired in every)} of {sum(len(paired.differences) for paired in every)}",
    ]
    return TableRow(cells, [_datum(curve, other, point, paired, view.against) for point, paired in found.values()])


def _score(paired: PairedDraws, view: TableView) -> Score:
    return Score(
        paired.mean,
        interval=paired.interval if view.intervals else None,
        digits=view.digits,
        comparable=False,
        signed=True,
        notes=(DRAWS_ONLY,) if paired.samples_error is None and paired.interval is not None else (),
    )


def _datum(curve: Curve, other: Curve | None, point: Point, paired: PairedDraws, against: str) -> dict[str, object]:
    low, high = paired.interval or (None, None)
    return {
        "model": curve.model,
        "task": curve.task,
        "method": curve.method,
        "detail": curve.detail,
        "against": against,
        "against_detail": other.detail if other else "",
        "track": curve.track,
        "shots": point.shots,
        "draws": len(paired.differences),
        "metric": curve.metric,
        "difference": paired.mean,
        "ci95_low": low,
        "ci95_high": high,
        "better_draws": paired.better,
        "samples_error": paired.samples_error,
        "n": point.samples,
    }
