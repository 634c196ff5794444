"""H of base and new accuracy: worked by hand, for any weights, and an interval that covers as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from vlmbench.metrics.harmonic import (
    harmonic_accuracy,
    harmonic_interval,
    harmonic_mean,
    harmonic_statistic,
    share_statistic,
)
from vlmbench.metrics.intervals import wilson

IS_NEW = np.array([False, False, False, False, True, True])


@pytest.mark.parametrize(
    "first, second, expected",
    [(0.5, 0.5, 0.5), (1.0, 0.5, 2 / 3), (0.9, 0.1, 0.18), (0.0, 0.7, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)],
)
def test_by_hand(first: float, second: float, expected: float) -> None:
    assert harmonic_mean(first, second) == pytest.approx(expected)
    assert harmonic_mean(second, first) == pytest.approx(expected)


def test_published_averages() -> None:
    """CoOp's and CoCoOp's averages in Zhou et al. 2022, "Conditional Prompt Learning", table 1 (a)."""
    assert harmonic_mean(82.69, 63.22) == pytest.approx(71.66, abs=0.005)
    assert harmonic_mean(80.47, 71.69) == pytest.approx(75.83, abs=0.005)


def test_accuracies_of_halves_of_unequal_size() -> None:
    right = np.array([True, True, True, False, True, False])
    found = harmonic_accuracy(right, IS_NEW)
    assert found.value == pytest.approx(2 * 0.75 * 0.5 / 1.25) and found.n == 6
    assert found.low is not None and found.high is not None and 0 < found.low < found.value < found.high < 1


@pytest.mark.parametrize("half", [np.zeros(6, bool), np.ones(6, bool)])
def test_a_half_without_samples_is_refused(half: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="base and of new"):
        harmonic_accuracy(np.ones(6, bool), half)


def test_no_right_answer_is_zero_with_an_interval() -> None:
    found = harmonic_accuracy(np.zeros(6, bool), IS_NEW)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(harmonic_mean(wilson(0, 4)[1], wilson(0, 2)[1]))


def test_any_weights() -> None:
    right = np.array([True, True, False, False, True, False])
    weights = np.array([[1] * 6, [2, 0, 1, 1, 3, 1], [1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 2]], dtype=np.int32)
    assert harmonic_statistic(right, IS_NEW)(weights) == pytest.approx([0.5, 0.6, np.nan, 0.0], nan_ok=True)
    assert share_statistic(right, ~IS_NEW)(weights) == pytest.approx([0.5, 0.5, 0.5, 0.0])


@pytest.mark.parametrize("base, new", [(0.5, 0.5), (0.8, 0.6), (0.95, 0.6), (0.6, 0.2), (0.05, 0.9), (0.97, 0.97)])
def test_the_interval_covers_h(base: float, new: float) -> None:
    """Of all data sets with 40 base and 30 new samples, weighted by how likely each is."""
    from scipy.stats import binom

    covered = 0.0
    true, n, m = harmonic_mean(base, new), 40, 30
    for i in range(n + 1):
        for j in range(m + 1):
            low, high = harmonic_interval(i / n, wilson(i, n), j / m, wilson(j, m))
            covered += float(binom.pmf(i, n, base) * binom.pmf(j, m, new)) if low <= true <= high else 0.0
    assert 0.9 < covered <= 0.99
