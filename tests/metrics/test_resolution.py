"""What a number of samples can tell, against Wilson's interval and against simulated McNemar tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vlmbench.metrics.intervals import wilson
from vlmbench.metrics.resolution import detectable_difference, resolution_text, worst_half_width


@pytest.mark.parametrize("n", [10, 1000, 50_000])
def test_the_bound_is_wilsons_at_one_half(n: int) -> None:
    low, high = wilson(n // 2, n)
    assert worst_half_width(n) == pytest.approx((high - low) / 2, rel=1e-12)


@pytest.mark.parametrize(("n", "differing"), [(1000, 0.05), (2000, 0.2), (10_000, 0.01)])
def test_the_difference_is_found_as_often_as_is_said(n: int, differing: float) -> None:
    difference = detectable_difference(n, differing)
    assert difference is not None
    random = np.random.default_rng(0)
    lost_share, gained_share = (differing + difference) / 2, (differing - difference) / 2
    draws = random.multinomial(n, [lost_share, gained_share, 1 - differing], size=4000)
    lost, gained = draws[:, 0], draws[:, 1]
    z = (lost - gained) / np.sqrt(np.maximum(lost + gained, 1))
    assert (np.abs(z) > stats.norm.isf(0.025)).mean() == pytest.approx(0.8, abs=0.03)


def test_too_few_samples_show_nothing() -> None:
    assert detectable_difference(100, 0.05) is None
    assert detectable_difference(100, 1.0) == pytest.approx(0.27, abs=0.01)
    assert resolution_text(100) == (
        "±9.6 points at worst (95%); too few samples to tell apart two models that differ on 5% of them"
    )
    assert resolution_text(1000) == (
        "±3.1 points at worst (95%); detects a difference of 2.0 points between two models that differ on 5% of the "
        "samples (80% power)"
    )
