"""Tests whether points lie in a shape or on a texture. ``demo/scenes.py`` renders with these functions on a fine grid.

Coordinates are relative to the object: its centre is (0, 0), its radius is 1, and y points down. The functions take
arrays of equal shape and return a boolean array of this shape. They use no drawing library, whose version could change
the pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def inside_shape(shape: str, x: Floats, y: Floats) -> Bools:
    """Which points lie in the shape of this name, a key of :data:`INSIDE`."""
    return INSIDE[shape](x, y)


def is_accent(texture: str, x: Floats, y: Floats, scale: float) -> Bools:
    """Which points have the texture's second tone. ``scale`` is the number of periods per radius."""
    if texture == "striped":
        return np.asarray((x * scale) % 1.0 < 0.42)
    if texture == "dotted":
        u, v = (x * scale) % 1.0 - 0.5, (y * scale) % 1.0 - 0.5
        return np.asarray(u * u + v * v < 0.30**2)
    if texture == "checkered":
        return np.asarray(((x * scale) % 1.0 < 0.5) ^ ((y * scale) % 1.0 < 0.5))
    return np.zeros(x.shape, dtype=np.bool_)


def _polygon(vertices: Sequence[tuple[float, float]]) -> Callable[[Floats, Floats], Bools]:
    """The even-odd test of whether points lie in a polygon."""

    def inside(x: Floats, y: Floats) -> Bools:
        odd = np.zeros(x.shape, dtype=np.bool_)
        for (x0, y0), (x1, y1) in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
            if y0 == y1:
                continue  # a horizontal edge is never crossed by a horizontal ray
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < (x1 - x0) / (y1 - y0) * (y - y0) + x0)
        return odd

    return inside


def _spokes(count: int, radii: Sequence[float], start: float) -> list[tuple[float, float]]:
    """``count`` vertices around the centre. The radii are used in turn; ``start`` is the first angle in radians."""
    angles = [start + 2 * math.pi * i / count for i in range(count)]
    return [(radii[i % len(radii)] * math.cos(a), radii[i % len(radii)] * math.sin(a)) for i, a in enumerate(angles)]


def _circle(x: Floats, y: Floats) -> Bools:
    return np.asarray(x * x + y * y <= 0.9**2)


def _square(x: Floats, y: Floats) -> Bools:
    return np.asarray(np.maximum(np.abs(x), np.abs(y)) <= 0.76)


def _cross(x: Floats, y: Floats) -> Bools:
    short, long = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    return np.asarray((short <= 0.3) & (long <= 0.92))


def _ring(x: Floats, y: Floats) -> Bools:
    squared = x * x + y * y
    return np.asarray((squared <= 0.95**2) & (squared >= 0.52**2))


def _heart(x: Floats, y: Floats) -> Bools:
    # The curve (u^2 + v^2 - 1)^3 = u^2 v^3, in which v points up, scaled to fit into the unit circle.
    u, v = x * 1.28, 0.12 - y * 1.28
    bowl = u * u + v * v - 1.0
    return np.asarray(bowl * bowl * bowl - u * u * v * v * v <= 0.0)


def _crescent(x: Floats, y: Floats) -> Bools:
    return np.asarray((x * x + y * y <= 0.95**2) & ((x - 0.42) ** 2 + y * y > 0.78**2))


def _diamond(x: Floats, y: Floats) -> Bools:
    return np.asarray(np.abs(x) / 0.66 + np.abs(y) <= 0.98)


INSIDE: dict[str, Callable[[Floats, Floats], Bools]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _polygon(_spokes(3, (1.0,), -math.pi / 2)),
    "star": _polygon(_spokes(10, (1.0, 0.42), -math.pi / 2)),
    "cross": _cross,
    "ring": _ring,
    "heart": _heart,
    "crescent": _crescent,
    "diamond": _diamond,
    "hexagon": _polygon(_spokes(6, (0.95,), 0.0)),
}
