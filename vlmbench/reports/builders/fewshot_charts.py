"""Makes charts of few-shot curves: accuracy against shots, and accuracy against the seconds to learn.

``vlmbench report fewshot --curve``, the demo and the leaderboard draw them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from vlmbench.reports.curves import Curve, Point
from vlmbench.reports.line_chart import ChartLine, ChartPoint, LineChart
from vlmbench.wording import counted

SHORTEST = 0.001
"""Seconds; shorter times are drawn as this one, since a clock shows no less."""


def charts_of(curves: Sequence[Curve]) -> list[LineChart]:
    """Accuracy against shots: one chart for each model, task and track, in the order of the curves."""
    return [shots_chart(own) for own in alike(curves)]


def alike(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Curves of one model, task, track and metric together."""
    groups: dict[tuple[str, str, str, str], list[Curve]] = {}
    for curve in curves:
        groups.setdefault((curve.model, curve.task, curve.track, curve.metric), []).append(curve)
    return list(groups.values())


def shots_chart(curves: Sequence[Curve]) -> LineChart:
    """Accuracy against shots of methods that share model, task and track. Methods without shots have no line."""
    shots = sorted({point.shots for curve in curves for point in curve.points if point.shots})
    return LineChart(
        _title(curves, "shots"),
        "shots",
        [(k, str(k)) for k in shots or [1]],
        _lines(curves, lambda point: point.shots),
        _start(curves),
    )


def seconds_chart(curves: Sequence[Curve]) -> LineChart:
    """Accuracy against the seconds to learn, without encoding images."""
    lines = _lines(curves, lambda point: max(point.fit_seconds, SHORTEST))
    found = [math.log10(point.x) for line in lines for point in line.points] or [0.0]
    ticks = [10.0**power for power in range(math.floor(min(found)), math.ceil(max(found)) + 1)]
    return LineChart(
        _title(curves, "seconds to learn"), "seconds to learn", [(x, f"{x:g}") for x in ticks], lines, _start(curves)
    )


def _title(curves: Sequence[Curve], axis: str) -> str:
    first = curves[0]
    return f"{first.metric} against {axis}: {first.model} on {first.task}, {first.track}"


def _lines(curves: Sequence[Curve], x: Callable[[Point], float]) -> list[ChartLine]:
    found = []
    for curve in curves:
        points = [
            ChartPoint(x(point), point.mean, *point.interval, counted(point.shots, "shot"))
            for point in curve.points
            if point.shots
        ]
        if points:
            found.append(ChartLine(curve.named, points))
    return found


def _start(curves: Sequence[Curve]) -> float | None:
    """Zero-shot, if all curves have the same."""
    starts = {curve.zero_shot for curve in curves}
    return starts.pop() if len(starts) == 1 else None
