"""Wilson's interval against SciPy, and the bootstrap's draws, blocks and coverage."""

from __future__ import annotations

import math
import tracemalloc
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from vlmbench.metrics import intervals
from vlmbench.metrics.classification import mean_per_class_recall
from vlmbench.metrics.intervals import Weights, bootstrap_estimate, bootstrap_interval, wilson
from vlmbench.metrics.ranking import mean_roc_auc


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
    with pytest.raises(ValueError, match=r"at least one sample|successes in"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_confidence_is_a_fraction(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        wilson(1, 2, confidence)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        bootstrap_interval(lambda weights: weights[:, 0] / 1.0, 2, confidence=confidence)


def test_weights_are_multinomial_counts() -> None:
    seen: list[Weights] = []

    def keep(weights: Weights) -> NDArray[np.float64]:
        seen.append(weights.copy())
        return weights[:, 0] / 1.0

    bootstrap_interval(keep, 40, resamples=2000)
    counts = np.concatenate(seen)
    assert counts.shape == (2000, 40)
    assert (counts.sum(axis=1) == 40).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(40), abs=0.12)
    assert counts.var(axis=0) == pytest.approx(np.full(40, 39 / 40), abs=0.2)


def test_the_interval_does_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = np.random.default_rng(3).normal(size=30)
    sizes = []

    def mean(weights: Weights) -> NDArray[np.float64]:
        sizes.append(len(weights))
        means: NDArray[np.float64] = np.einsum("bn,n->b", weights, sample) / 30
        return means

    whole = bootstrap_interval(mean, 30, seed=5, resamples=100)
    monkeypatch.setattr(intervals, "BLOCK_BYTES", 7 * 30 * 4)
    sizes.clear()
    assert bootstrap_interval(mean, 30, seed=5, resamples=100) == whole
    assert sizes == [7] * 14 + [2]
    assert bootstrap_interval(mean, 30, seed=6, resamples=100) != whole


def test_a_row_larger_than_a_block_is_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "BLOCK_BYTES", 1)
    assert bootstrap_interval(lambda weights: weights.sum(axis=1) / 9, 9, resamples=3) == (1.0, 1.0)


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    n = 4000
    sample = np.random.default_rng(0).normal(size=n)
    interval = bootstrap_interval(lambda weights: weights @ sample / n, n, resamples=4000, confidence=0.9)
    margin = NormalDist().inv_cdf(0.95) * sample.std() / math.sqrt(n)
    assert interval == pytest.approx((sample.mean() - margin, sample.mean() + margin), abs=0.1 * margin)


def test_undefined_resamples_are_left_out() -> None:
    values = np.array([0.25, np.nan, 0.75, 0.5])
    assert bootstrap_interval(lambda weights: values[: len(weights)], 2, resamples=4) == pytest.approx(
        tuple(np.quantile([0.25, 0.5, 0.75], [0.025, 0.975]))
    )
    assert bootstrap_interval(lambda weights: np.full(len(weights), np.nan), 2, resamples=4) is None


def test_an_undefined_value_has_no_interval_and_draws_nothing() -> None:
    blocks = []

    def undefined_once(weights: Weights) -> NDArray[np.float64]:
        blocks.append(len(weights))
        return np.full(len(weights), np.nan if len(blocks) == 1 else 0.5)

    estimate = bootstrap_estimate(undefined_once, 8)
    assert math.isnan(estimate.value)
    assert (estimate.low, estimate.high, estimate.n) == (None, None, 8)
    assert blocks == [1]


def test_no_resamples_no_interval() -> None:
    estimate = bootstrap_estimate(lambda weights: weights[:, 0] / 4, 4, resamples=0)
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (0.25, None, None, 4)


@pytest.mark.parametrize(("n", "resamples"), [(0, 10), (5, -1)])
def test_impossible_draws_are_refused(n: int, resamples: int) -> None:
    with pytest.raises(ValueError, match=f"cannot draw {resamples} resamples of {n} samples"):
        bootstrap_interval(lambda weights: weights[:, 0] / 1.0, n, resamples=resamples)


def test_memory_does_not_grow_with_the_resamples() -> None:
    n = 50_000
    predicted, labels = np.random.default_rng(0).integers(0, 50, size=(2, n))
    tracemalloc.start()
    mean_per_class_recall(predicted, labels, resamples=60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * n * 4 / 2  # all the weights at once would take twice this


def test_bootstrap_of_recall_covers_the_truth() -> None:
    generator = np.random.default_rng(11)
    recalls = np.array([0.85, 0.6, 0.4])

    def covered(seed: int) -> bool:
        labels = generator.integers(0, 3, size=150)
        predicted = np.where(generator.random(150) < recalls[labels], labels, (labels + 1) % 3)
        estimate = mean_per_class_recall(predicted, labels, seed=seed, resamples=200)
        assert estimate.low is not None and estimate.high is not None
        return bool(estimate.low <= recalls.mean() <= estimate.high)

    assert np.mean([covered(seed) for seed in range(300)]) == pytest.approx(0.945, abs=0.035)


def test_bootstrap_of_auc_covers_the_truth() -> None:
    generator = np.random.default_rng(12)
    truth = NormalDist().cdf(1 / math.sqrt(2))  # unit normals, one apart

    def covered(seed: int) -> bool:
        labels = generator.integers(0, 2, size=120)
        margin = generator.normal(size=120) + labels
        scores = np.column_stack((np.zeros(120), margin))
        estimate = mean_roc_auc(scores, labels, seed=seed, resamples=200)
        assert estimate.low is not None and estimate.high is not None
        return bool(estimate.low <= truth <= estimate.high)

    assert np.mean([covered(seed) for seed in range(300)]) == pytest.approx(0.945, abs=0.035)
