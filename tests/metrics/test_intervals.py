"""Wilson's interval against SciPy, and the draws of resamples in blocks."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from vlmbench.metrics import intervals
from vlmbench.metrics.classification import mean_per_class_recall_statistic
from vlmbench.metrics.intervals import Weights, effective_wilson, resampled, wilson


@pytest.mark.parametrize("n", [1, 2, 17, 50_000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.93, 1.0])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_wilson_agrees_with_scipy(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    reference = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert wilson(successes, n, confidence) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_wilson_is_exact_at_the_ends() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0


@settings(deadline=None)
@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_proportion_and_mirrors(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_covers_the_true_proportion() -> None:
    n, proportions = 100, np.linspace(0.05, 0.95, 37)
    ends = np.array([wilson(successes, n) for successes in range(n + 1)])
    chance = binom.pmf(np.arange(n + 1)[:, None], n, proportions)
    covered = (ends[:, :1] <= proportions) & (proportions <= ends[:, 1:])
    coverage = (chance * covered).sum(axis=0)
    assert coverage.mean() == pytest.approx(0.95, abs=0.01)
    assert coverage.min() > 0.90


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"at least one sample|successes must lie"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_confidence_is_a_fraction(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        wilson(1, 2, confidence)


def test_weights_are_multinomial_counts() -> None:
    seen: list[Weights] = []

    def keep(weights: Weights) -> NDArray[np.float64]:
        seen.append(weights.copy())
        return weights[:, :1] / 1.0

    resampled(keep, 40, 1, resamples=2000)
    counts = np.concatenate(seen)
    assert counts.shape == (2000, 40)
    assert (counts.sum(axis=1) == 40).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(40), abs=0.12)
    assert counts.var(axis=0) == pytest.approx(np.full(40, 39 / 40), abs=0.2)


def test_draws_do_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = np.random.default_rng(3).normal(size=30)
    sizes = []

    def mean(weights: Weights) -> NDArray[np.float64]:
        sizes.append(len(weights))
        means: NDArray[np.float64] = np.einsum("bn,n->b", weights, sample)[:, None] / 30
        return means

    whole = resampled(mean, 30, 1, seed=5, resamples=100)
    monkeypatch.setattr(intervals, "BLOCK_BYTES", 7 * 30 * 4)
    sizes.clear()
    assert (resampled(mean, 30, 1, seed=5, resamples=100) == whole).all()
    assert sizes == [7] * 14 + [2]
    assert (resampled(mean, 30, 1, seed=6, resamples=100) != whole).any()


def test_a_row_larger_than_a_block_is_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "BLOCK_BYTES", 1)
    drawn = resampled(lambda weights: weights.sum(axis=1, keepdims=True) / 9, 9, 1, resamples=3)
    assert drawn.tolist() == [[1.0]] * 3


@pytest.mark.parametrize(("n", "resamples"), [(0, 10), (5, -1)])
def test_impossible_draws_are_refused(n: int, resamples: int) -> None:
    with pytest.raises(ValueError, match=f"cannot draw {resamples} resamples of {n} samples"):
        resampled(lambda weights: weights[:, :1] / 1.0, n, 1, resamples=resamples)


def test_memory_does_not_grow_with_the_resamples() -> None:
    n = 50_000
    predicted, labels = np.random.default_rng(0).integers(0, 50, size=(2, n))
    recall = mean_per_class_recall_statistic(predicted, labels)
    tracemalloc.start()
    resampled(lambda weights: recall(weights)[:, None], n, 1, resamples=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * n * 4 / 2  # all the weights at once would take twice this


@given(st.floats(0, 1), st.floats(0.5, 1e6), st.floats(0.5, 13))
def test_an_effective_number_of_trials_keeps_the_value_inside(share: float, n: float, quantile: float) -> None:
    low, high = effective_wilson(share, n, quantile)
    assert 0 <= low <= share <= high <= 1
    assert low < high
