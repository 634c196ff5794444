"""Digits as a pen would write them: control polylines, smoothed, jittered, slanted; never taken from a data set."""

# ruff: noqa: E501  (a stroke a line reads as the digit it draws)

from __future__ import annotations

import math
from random import Random

from vlmbench.demo.spec import Point

# Control points in a box of width 1 and height 1, y down; each digit has a few ways of being written.
_STYLES: dict[str, list[list[list[Point]]]] = {
    "zero": [
        [[(0.5, 0.0), (0.15, 0.15), (0.05, 0.5), (0.15, 0.85), (0.5, 1.0), (0.85, 0.85), (0.95, 0.5), (0.85, 0.15), (0.5, 0.0)]],
        [[(0.6, 0.02), (0.25, 0.2), (0.15, 0.6), (0.35, 0.95), (0.65, 0.9), (0.85, 0.5), (0.75, 0.12), (0.5, 0.02)]],
    ],
    "one": [
        [[(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)]],
        [[(0.28, 0.26), (0.44, 0.14), (0.56, 0.0)], [(0.56, 0.0), (0.55, 0.5), (0.54, 1.0)]],
        [[(0.25, 0.28), (0.42, 0.15), (0.52, 0.0)], [(0.52, 0.0), (0.51, 0.5), (0.5, 1.0)], [(0.2, 1.0), (0.5, 1.0), (0.8, 1.0)]],
        [[(0.12, 0.45), (0.4, 0.22), (0.6, 0.0)], [(0.6, 0.0), (0.58, 0.5), (0.55, 1.0)]],
    ],
    "two": [
        [[(0.1, 0.25), (0.3, 0.02), (0.7, 0.02), (0.85, 0.28), (0.6, 0.6), (0.1, 1.0)], [(0.1, 1.0), (0.5, 1.0), (0.95, 0.98)]],
        [[(0.15, 0.2), (0.45, 0.0), (0.8, 0.18), (0.7, 0.5), (0.35, 0.8), (0.12, 0.92), (0.25, 0.8), (0.5, 0.92), (0.95, 0.95)]],
    ],
    "three": [
        [[(0.12, 0.12), (0.45, 0.0), (0.82, 0.15), (0.75, 0.4), (0.42, 0.48)], [(0.42, 0.48), (0.82, 0.58), (0.88, 0.82), (0.5, 1.0), (0.1, 0.88)]],
        [[(0.1, 0.03), (0.5, 0.03), (0.88, 0.03)], [(0.88, 0.03), (0.65, 0.25), (0.42, 0.42)], [(0.42, 0.42), (0.82, 0.52), (0.88, 0.8), (0.5, 1.0), (0.1, 0.9)]],
    ],
    "four": [
        [[(0.6, 0.0), (0.35, 0.32), (0.05, 0.65)], [(0.05, 0.65), (0.5, 0.65), (0.95, 0.62)], [(0.68, 0.3), (0.66, 0.65), (0.62, 1.0)]],
        [[(0.2, 0.0), (0.15, 0.28), (0.15, 0.5)], [(0.15, 0.5), (0.5, 0.52), (0.9, 0.48)], [(0.8, 0.05), (0.75, 0.5), (0.68, 1.0)]],
        [[(0.68, 1.0), (0.7, 0.5), (0.7, 0.0)], [(0.7, 0.0), (0.4, 0.35), (0.05, 0.68)], [(0.05, 0.68), (0.5, 0.68), (0.98, 0.68)]],
        [[(0.45, 0.0), (0.25, 0.35), (0.05, 0.6)], [(0.05, 0.6), (0.45, 0.58), (0.9, 0.5)], [(0.72, 0.22), (0.6, 0.6), (0.45, 1.0)]],
    ],
    "five": [
        [[(0.85, 0.02), (0.5, 0.02), (0.2, 0.03)], [(0.2, 0.03), (0.17, 0.25), (0.14, 0.45)], [(0.14, 0.45), (0.5, 0.36), (0.85, 0.55), (0.8, 0.85), (0.45, 1.0), (0.1, 0.9)]],
        [[(0.92, 0.0), (0.6, 0.02), (0.3, 0.05)], [(0.3, 0.05), (0.22, 0.25), (0.2, 0.45)], [(0.2, 0.45), (0.6, 0.48), (0.75, 0.72), (0.55, 0.95), (0.15, 0.98)]],
    ],
    "six": [
        [[(0.75, 0.02), (0.4, 0.15), (0.12, 0.5), (0.15, 0.85), (0.5, 1.0), (0.85, 0.82), (0.75, 0.55), (0.45, 0.5), (0.15, 0.72)]],
        [[(0.5, 0.0), (0.25, 0.3), (0.12, 0.65), (0.3, 0.97), (0.65, 0.97), (0.85, 0.75), (0.6, 0.55), (0.3, 0.62), (0.16, 0.78)]],
    ],
    "seven": [
        [[(0.08, 0.03), (0.5, 0.02), (0.9, 0.02)], [(0.9, 0.02), (0.65, 0.45), (0.42, 1.0)]],
        [[(0.08, 0.05), (0.5, 0.03), (0.88, 0.02)], [(0.88, 0.02), (0.62, 0.45), (0.45, 1.0)], [(0.3, 0.5), (0.58, 0.5), (0.88, 0.48)]],
        [[(0.1, 0.2), (0.12, 0.03), (0.5, 0.05), (0.88, 0.02)], [(0.88, 0.02), (0.7, 0.4), (0.55, 1.0)], [(0.35, 0.55), (0.6, 0.52), (0.9, 0.48)]],
    ],
    "eight": [
        [[(0.5, 0.48), (0.2, 0.32), (0.22, 0.08), (0.5, 0.0), (0.78, 0.08), (0.8, 0.32), (0.5, 0.48), (0.15, 0.68), (0.15, 0.92), (0.5, 1.0), (0.85, 0.92), (0.85, 0.68), (0.5, 0.48)]],
        [[(0.8, 0.1), (0.5, 0.0), (0.22, 0.15), (0.38, 0.4), (0.68, 0.6), (0.78, 0.85), (0.5, 1.0), (0.22, 0.85), (0.35, 0.6), (0.65, 0.38), (0.82, 0.12)]],
    ],
    "nine": [
        [[(0.85, 0.2), (0.55, 0.0), (0.2, 0.12), (0.15, 0.38), (0.45, 0.5), (0.8, 0.35), (0.87, 0.18)], [(0.87, 0.18), (0.85, 0.6), (0.75, 1.0)]],
        [[(0.82, 0.25), (0.5, 0.0), (0.18, 0.2), (0.3, 0.48), (0.65, 0.45), (0.84, 0.2)], [(0.84, 0.2), (0.88, 0.6), (0.65, 0.92), (0.2, 0.97)]],
    ],
}  # fmt: skip

_STEPS_PER_SEGMENT = 3
_MAX_WIDTH = 0.74  # of the image, so that no stroke leaves it


def write_digit(digit: str, rng: Random, centre: Point, height: float) -> tuple[tuple[Point, ...], ...]:
    """Draw one way of writing ``digit`` (a word of ``digits.DIGITS``).

    Returns:
        Smoothed polylines in image units; their bounding box has the given centre and height (less if too wide).
    """
    style = rng.choice(_STYLES[digit])
    slant, turn = rng.gauss(-0.12, 0.16), rng.gauss(0.0, 0.08)
    aspect = rng.uniform(0.5, 0.95)
    # One jitter per distinct control point, so that strokes that meet still meet.
    jitter = {p: (p[0] + rng.gauss(0.0, 0.045), p[1] + rng.gauss(0.0, 0.035)) for line in style for p in line}
    cos, sin = math.cos(turn), math.sin(turn)

    def distort(point: Point) -> Point:
        x, y = jitter[point][0] - 0.5, jitter[point][1] - 0.5
        x = x * aspect + slant * y
        return (cos * x - sin * y, sin * x + cos * y)

    lines = [_smooth([distort(p) for p in line]) for line in style]
    xs, ys = [p[0] for line in lines for p in line], [p[1] for line in lines for p in line]
    middle = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)
    scale = min(height / (max(ys) - min(ys)), _MAX_WIDTH / (max(xs) - min(xs)))
    return tuple(
        tuple((centre[0] + (x - middle[0]) * scale, centre[1] + (y - middle[1]) * scale) for x, y in line)
        for line in lines
    )


def _smooth(points: list[Point]) -> list[Point]:
    """A uniform Catmull-Rom spline through the points (end points doubled)."""
    padded = [points[0], *points, points[-1]]
    curve = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for step in range(_STEPS_PER_SEGMENT):
            t = step / _STEPS_PER_SEGMENT
            curve.append((_catmull_rom(p0[0], p1[0], p2[0], p3[0], t), _catmull_rom(p0[1], p1[1], p2[1], p3[1], t)))
    return [*curve, points[-1]]


def _catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
