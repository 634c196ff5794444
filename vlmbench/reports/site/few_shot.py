"""Makes the part of a task's page about adapted models: charts of accuracy against shots and seconds, and a table.

The charts are drawn as SVG by the template. Each method has a colour and a shape, so that no reader needs the colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlmbench.records import Summary
from vlmbench.reports.builders.fewshot_charts import alike, seconds_chart, shots_chart
from vlmbench.reports.cells import number
from vlmbench.reports.curves import Curve, curves_of, in_order
from vlmbench.reports.line_chart import LineChart

WIDTH, HEIGHT = 300.0, 190.0
"""The plot, in the units of its picture."""
COLOURS = 6
SHAPES = ("circle", "square", "triangle", "diamond", "down", "cross", "plus")
"""As many as the colours and one, so that 42 methods differ in colour or shape."""
_SIZE = 3.4
_MOST_TICKS = 6
_APART, _SPREAD = 5.0, 36.0
"""Points at the same x: the largest distance of two neighbours, and the largest of the first and the last."""


@dataclass(frozen=True)
class Mark:
    """One point: its place, the ends of its interval, and what it says."""

    x: float
    y: float
    low: float
    high: float
    path: str
    says: str


@dataclass(frozen=True)
class Drawn:
    """One line of a chart.

    Attributes:
        colour: from 1.
        line: its points for a polyline.
    """

    name: str
    colour: int
    line: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """A chart with every place computed, in the units of its picture; y grows downwards.

    Attributes:
        title: what it shows.
        x_title: the title of the lower axis.
        columns: places and names of the lower axis.
        rows: places and names of the left axis.
        level: the place of zero-shot; None if methods have several starts.
    """

    title: str
    x_title: str
    columns: tuple[tuple[float, str], ...]
    rows: tuple[tuple[float, str], ...]
    lines: tuple[Drawn, ...]
    level: float | None


@dataclass(frozen=True)
class Legend:
    """A method with its colour and its shape at the origin."""

    name: str
    colour: int
    path: str


@dataclass(frozen=True)
class FewShotPart:
    """The curves of one model on one track.

    Attributes:
        shots: every K.
        curves: the rows of the table.
        charts: against shots, and against seconds.
        same_images: for each K, all of the curves have the same draws, and learnt from the same images in each.
    """

    model: str
    track: str
    metric: str
    zero_shot: float | None
    shots: tuple[int, ...]
    curves: tuple[Curve, ...]
    charts: tuple[Chart, ...]
    legend: tuple[Legend, ...]
    same_images: bool


def few_shot_parts(records: Sequence[Summary]) -> tuple[FewShotPart, ...]:
    """One part for each model and track, of the adapted records of one task. Methods without shots are left out."""
    curves = [curve for curve in in_order(curves_of(records)) if any(point.shots for point in curve.points)]
    return tuple(_part(own) for own in alike(curves))


def _part(curves: Sequence[Curve]) -> FewShotPart:
    against_shots = shots_chart(curves)
    return FewShotPart(
        model=curves[0].model,
        track=curves[0].track,
        metric=curves[0].metric,
        zero_shot=against_shots.level,
        shots=tuple(sorted({point.shots for curve in curves for point in curve.points if point.shots})),
        curves=tuple(curves),
        charts=(_chart(against_shots, apart=_APART), _chart(seconds_chart(curves))),
        legend=tuple(
            Legend(curve.named, place % COLOURS + 1, _shape(place, 0.0, 0.0)) for place, curve in enumerate(curves)
        ),
        same_images=_same_images(curves),
    )


def _same_images(curves: Sequence[Curve]) -> bool:
    """Whether curves learnt from the same images: their points of one K have the same draws of the same images."""
    images: dict[int, set[tuple[tuple[int, str], ...]]] = {}
    for curve in curves:
        for point in curve.points:
            if point.shots:
                trains = ((draw, record.task.other_data.get("train")) for draw, record in sorted(point.by_draw.items()))
                own = tuple((draw, train.fingerprint if train else "") for draw, train in trains)
                images.setdefault(point.shots, set()).add(own)
    return all(len(found) == 1 for found in images.values())


def _chart(chart: LineChart, *, apart: float = 0.0) -> Chart:
    """A chart with its places.

    Args:
        apart: how far the points of two methods at the same x stand apart, so that no interval hides another.
    """
    chart = replace(chart, intervals=True)
    step = min(apart, _SPREAD / len(chart.lines)) if chart.lines else 0.0
    edge = _SIZE + step * (len(chart.lines) - 1) / 2

    def at(x: float, y: float) -> tuple[float, float]:
        across, up = chart.place(x, y)
        return edge + (WIDTH - 2 * edge) * across, HEIGHT * (1 - up)

    def height(y: float) -> float:
        return at(chart.ticks[0][0], y)[1]

    lines = []
    for place, line in enumerate(chart.lines):
        marks = []
        for point in line.points:
            x, y = at(point.x, point.y)
            x += step * (place - (len(chart.lines) - 1) / 2)
            says = f"{line.name}, {point.label}: {number(point.y)} ({number(point.low)} to {number(point.high)})"
            marks.append(Mark(x, y, height(point.low), height(point.high), _shape(place, x, y), says))
        joined = " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in marks)
        lines.append(Drawn(line.name, place % COLOURS + 1, joined, tuple(marks)))
    return Chart(
        title=chart.title,
        x_title=chart.x_title,
        columns=tuple((at(x, chart.y_range[0])[0], name) for x, name in chart.ticks),
        rows=tuple((height(value), number(value, digits=digits)) for value, digits in _levels(*chart.y_range)),
        lines=tuple(lines),
        level=None if chart.level is None else height(chart.level),
    )


def _levels(low: float, high: float) -> list[tuple[float, int]]:
    """Round values between two fractions, with the decimals of their percentages."""
    for hundredths in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50):
        step = hundredths / 100
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < _MOST_TICKS:
            return [(place * step, 0 if hundredths >= 1 else 1) for place in range(first, last + 1)]
    return [(low, 0), (high, 0)]


def _shape(place: int, x: float, y: float) -> str:
    """The path of a method's shape around a point."""
    s = _SIZE
    shape = SHAPES[place % len(SHAPES)]
    if shape == "circle":
        return f"M{x - s:.1f},{y:.1f}a{s},{s} 0 1,0 {2 * s},0a{s},{s} 0 1,0 {-2 * s},0z"
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "down": [(0, 1.2), (1.15, -0.9), (-1.15, -0.9)],
        "cross": _turned([(-0.6, -1.2), (0, -0.6), (0.6, -1.2)]),
        "plus": _turned([(-0.4, -0.4), (-0.4, -1.3), (0.4, -1.3)]),
    }[shape]
    return "M" + "L".join(f"{x + s * dx:.1f},{y + s * dy:.1f}" for dx, dy in corners) + "z"


def _turned(corners: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A quarter of an outline, and its three turns by 90 degrees."""
    found = list(corners)
    for _ in range(3):
        corners = [(-y, x) for x, y in corners]
        found += corners
    return found
