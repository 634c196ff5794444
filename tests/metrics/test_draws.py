"""Intervals over draws, by hand and against SciPy's paired t-test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t, ttest_rel

from vlmbench.metrics.draws import NORMAL, half_of_draws, interval_of_differences


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_over_draws_is_that_of_the_paired_t_test(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.random((2, 3 + seed))
    expected = ttest_rel(first, second).confidence_interval(0.95)
    differences = (first - second).tolist()
    assert interval_of_differences(differences, None) == pytest.approx((expected.low, expected.high))
    assert interval_of_differences(differences, 0.0) == pytest.approx((expected.low, expected.high))


def test_by_hand() -> None:
    """Three differences with s = 0.01: the factor is 4.303, and half the interval 4.303 * 0.01 / sqrt(3) = 0.0248."""
    assert half_of_draws([0.01, 0.02, 0.03]) == pytest.approx(4.302653 * 0.01 / math.sqrt(3))
    low, high = interval_of_differences([0.01, 0.02, 0.03], 0.01) or (0.0, 0.0)
    half = math.hypot(0.0248414, 0.0196)
    assert (low, high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-5)


def test_one_draw_has_the_interval_of_its_samples_or_none() -> None:
    assert interval_of_differences([0.1], None) is None
    assert interval_of_differences([0.1], 0.02) == pytest.approx((0.1 - NORMAL * 0.02, 0.1 + NORMAL * 0.02))
    assert half_of_draws([0.3]) == 0.0
    assert pytest.approx(t.ppf(0.975, 10**9), abs=1e-6) == NORMAL
