"""Handwriting: seeded, varied, and placed where it was asked for."""

from __future__ import annotations

from random import Random

import pytest
from demo_clip.digits import DIGITS
from demo_clip.strokes import write_digit


@pytest.mark.parametrize("digit", DIGITS)
def test_bounding_box_is_the_asked_one(digit: str) -> None:
    rng = Random(digit)
    for _ in range(50):
        points = [point for line in write_digit(digit, rng, (0.45, 0.55), 0.8) for point in line]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        assert (min(xs) + max(xs)) / 2 == pytest.approx(0.45)
        assert (min(ys) + max(ys)) / 2 == pytest.approx(0.55)
        assert max(ys) - min(ys) <= 0.8 + 1e-9
        assert max(xs) - min(xs) <= 0.74 + 1e-9


def test_seeded_and_never_twice_the_same() -> None:
    written = [write_digit("four", Random(seed), (0.5, 0.5), 0.8) for seed in range(20)]
    assert len(set(written)) == 20
    assert written[7] == write_digit("four", Random(7), (0.5, 0.5), 0.8)
