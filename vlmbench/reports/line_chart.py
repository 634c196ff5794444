"""Defines a chart of lines as data. Tables hold some, and the terminal and the leaderboard draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ChartPoint:
    """One point of a line.

    Attributes:
        x: above 0; axes are logarithmic.
        y: a fraction.
        low, high: the ends of its 95 % interval.
        label: what the point is, such as "4 shots".
    """

    x: float
    y: float
    low: float
    high: float
    label: str = ""


@dataclass(frozen=True)
class ChartLine:
    """One line with its points from left to right."""

    name: str
    points: Sequence[ChartPoint]


@dataclass(frozen=True)
class LineChart:
    """Some lines over a logarithmic axis, with one level to compare them with.

    Attributes:
        title: what it shows.
        x_title: the title of the axis.
        ticks: values of x that are named, with their names.
        lines: the lines.
        level: a horizontal line, such as zero-shot; None: no such line is drawn.
        level_name: its name.
        intervals: whether there is room for the points' intervals.
    """

    title: str
    x_title: str
    ticks: Sequence[tuple[float, str]]
    lines: Sequence[ChartLine]
    level: float | None = None
    level_name: str = "zero-shot"
    intervals: bool = False

    @property
    def x_range(self) -> tuple[float, float]:
        """The logarithms (base 2) of the smallest and the largest x; they differ."""
        found = [math.log2(point.x) for line in self.lines for point in line.points]
        found += [math.log2(x) for x, _ in self.ticks]
        low, high = min(found), max(found)
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    @property
    def y_range(self) -> tuple[float, float]:
        """The smallest and the largest y, with the level; at least two points apart, within [0, 1]."""
        points = [point for line in self.lines for point in line.points]
        found = [point.y for point in points]
        found += [end for point in points for end in (point.low, point.high)] if self.intervals else []
        found += [] if self.level is None else [self.level]
        low, high = min(found), max(found)
        room = max(0.02 - (high - low), 0.1 * (high - low)) / 2
        return max(0.0, low - room), min(1.0, high + room)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """A point's place as shares of the width, from the left, and of the height, from the bottom."""
        (left, right), (bottom, top) = self.x_range, self.y_range
        return (math.log2(x) - left) / (right - left), (y - bottom) / (top - bottom)
