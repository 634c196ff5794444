"""Point-in-shape and point-in-texture tests against areas and points worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from vlmbench.demo.shapes import INSIDE, inside_shape, is_accent
from vlmbench.demo.spec import SHAPES, TEXTURES

_STEP = 1 / 256
_AXIS = np.arange(-1, 1, _STEP, dtype=np.float32) + np.float32(_STEP / 2)
_X, _Y = np.meshgrid(_AXIS, _AXIS)


def _area(inside: NDArray[np.bool_]) -> float:
    return float(inside.sum()) * _STEP**2


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", math.pi * 0.9**2),
        ("square", (2 * 0.76) ** 2),
        ("triangle", 3 * math.sqrt(3) / 4),
        ("star", 5 * 0.42 * math.sin(math.pi / 5)),  # ten triangles of sides 1 and 0.42
        ("cross", 2 * (0.6 * 1.84) - 0.6**2),
        ("ring", math.pi * (0.95**2 - 0.52**2)),
        ("diamond", 2 * 0.66 * 0.98**2),
        ("hexagon", 3 * math.sqrt(3) / 2 * 0.95**2),
    ],
)
def test_area_of_each_shape_with_a_formula(shape: str, area: float) -> None:
    assert _area(inside_shape(shape, _X, _Y)) == pytest.approx(area, rel=0.005)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_stays_within_reach_and_is_its_own(shape: str) -> None:
    inside = inside_shape(shape, _X, _Y)
    assert np.hypot(_X[inside], _Y[inside]).max() <= 1.08  # the corners of the square
    for other in set(SHAPES) - {shape}:
        both = inside & inside_shape(other, _X, _Y)
        either = inside | inside_shape(other, _X, _Y)
        assert both.sum() / either.sum() < 0.93, f"{shape} and {other} look alike"


def test_every_named_shape_can_be_drawn() -> None:
    assert set(INSIDE) == set(SHAPES)


def test_points_that_tell_shapes_apart() -> None:
    x, y = np.float32([0.0, 0.7, 0.0]), np.float32([0.0, 0.7, 0.85])
    assert inside_shape("ring", x, y).tolist() == [False, False, True]
    assert inside_shape("square", x, y).tolist() == [True, True, False]
    assert inside_shape("circle", x, y).tolist() == [True, False, True]
    assert inside_shape("triangle", x, y).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("texture", "share"),
    [("plain", 0.0), ("striped", 0.42), ("dotted", math.pi * 0.3**2), ("checkered", 0.5)],
)
def test_share_of_the_second_tone(texture: str, share: float) -> None:
    assert texture in TEXTURES
    assert is_accent(texture, _X, _Y, 2.0).mean() == pytest.approx(share, abs=0.01)
