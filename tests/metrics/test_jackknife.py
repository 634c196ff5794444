"""The jackknife's intervals: by hand, against SciPy's BCa bootstrap, and where there are none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import bootstrap
from scipy.stats import t as student

from vlmbench.metrics import jackknife
from vlmbench.metrics.intervals import WeightedStatistic, Weights
from vlmbench.metrics.jackknife import jackknife_estimate, jackknife_estimates
from vlmbench.metrics.ranking import mean_average_precision, mean_average_precision_statistic, mean_roc_auc

UNDEFINED = "nothing is there"


def mean_of(sample: NDArray[np.float64]) -> WeightedStatistic:
    def mean(weights: Weights) -> NDArray[np.float64]:
        values: NDArray[np.float64] = (weights @ sample) / weights.sum(axis=1)
        return values

    return mean


def test_a_means_interval_by_hand() -> None:
    """Its jackknife error is the textbook's, halves have no bias but noise, and the degrees are by the kurtosis."""
    sample = np.random.default_rng(0).beta(2, 3, 80)
    estimate = jackknife_estimate(mean_of(sample), 80, undefined=UNDEFINED)
    assert estimate.low is not None and estimate.high is not None and estimate.reason == ""
    mean, error = sample.mean(), sample.std(ddof=1) / math.sqrt(80)
    moved = sample - mean
    kurtosis = 80 * (moved**4).sum() / (moved**2).sum() ** 2
    quantile = student.ppf(0.975, min(79, 2 * 80 / (kurtosis - 1)))
    middle = (logit(estimate.low) + logit(estimate.high)) / 2
    half = (logit(estimate.high) - logit(estimate.low)) / 2
    assert half == pytest.approx(quantile * error / (mean * (1 - mean)), rel=1e-9)
    assert middle == pytest.approx(logit(mean), abs=1e-12), "both halves of a split together are the whole"
    assert estimate.low == pytest.approx(expit(middle - half))


def test_it_agrees_with_bca_where_samples_are_many() -> None:
    sample = np.random.default_rng(1).beta(2, 3, 2000)
    estimate = jackknife_estimate(mean_of(sample), 2000, undefined=UNDEFINED)
    found = bootstrap((sample,), np.mean, method="BCa", random_state=np.random.default_rng(2)).confidence_interval
    width = found.high - found.low
    assert (estimate.low, estimate.high) == pytest.approx(tuple(found), abs=0.15 * width)


def test_bias_is_taken_off() -> None:
    """The square of a mean is too high by its variance: the interval's middle is lower than the value."""
    sample = np.random.default_rng(2).normal(0.3, 1, 60)

    def squared(weights: Weights) -> NDArray[np.float64]:
        return np.asarray(mean_of(sample)(weights) ** 2)

    estimate = jackknife_estimate(squared, 60, undefined=UNDEFINED)
    assert estimate.low is not None and estimate.high is not None
    middle = expit((logit(estimate.low) + logit(estimate.high)) / 2)
    assert middle < estimate.value - 0.5 * sample.var() / 60


@pytest.mark.parametrize("n", [199, 200, 201, 1234])
def test_groups_hold_every_sample_once(n: int) -> None:
    left_out = np.concatenate([1 - weights for weights in jackknife._without_each(n, 3)(7)])
    assert len(left_out) == min(n, jackknife.GROUPS)
    assert (left_out.sum(axis=0) == 1).all() and left_out.sum(axis=1).max() - left_out.sum(axis=1).min() <= 1


@pytest.mark.parametrize("n", [20, 31])
def test_halves_are_halves_whatever_the_blocks(n: int) -> None:
    halves = np.concatenate(list(jackknife._halves(n, 3)(7)))
    assert len(halves) == 2 * jackknife.SPLITS
    assert (halves[0::2] + halves[1::2] == 1).all() and set(halves.sum(axis=1).tolist()) <= {n // 2, n - n // 2}
    assert (np.concatenate(list(jackknife._halves(n, 3)(1))) == halves).all()


def test_the_seed_fixes_groups_and_halves() -> None:
    random = np.random.default_rng(3)
    scores, targets = random.normal(size=(600, 3)), random.random((600, 3)) < 0.2
    first, again, other = (mean_average_precision(scores, targets, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert other.value == first.value and (other.low, other.high) != (first.low, first.high)


def test_several_statistics_share_what_is_left_out_and_each_has_its_reason() -> None:
    sample = np.random.default_rng(4).beta(2, 3, 50)

    def several(weights: Weights) -> NDArray[np.float64]:
        mean = mean_of(sample)(weights)
        first = np.where(weights[:, 0] > 0, 0.5, np.nan)  # of which one sample alone is what it measures
        return np.stack([mean, np.full(len(weights), np.nan), first, np.full(len(weights), 0.4)], axis=1)

    found = jackknife_estimates(several, 50, ["", UNDEFINED, "", ""], units="images")
    assert found[0] == jackknife_estimate(mean_of(sample), 50, undefined="")
    assert math.isnan(found[1].value) and found[1].reason == UNDEFINED
    assert found[2].low is None and found[2].reason == "too few images contain what it measures"
    assert found[3].low is None
    assert found[3].reason == "all images have the same value, which does not show how much other images would vary"


@pytest.mark.parametrize(("n", "reason"), [(1, "1 sample is too few"), (19, "19 samples are too few"), (20, "")])
def test_few_samples_have_no_interval(n: int, reason: str) -> None:
    sample = np.random.default_rng(5).beta(2, 3, n)
    estimate = jackknife_estimate(mean_of(sample), n, undefined=UNDEFINED)
    assert estimate.reason == reason and (estimate.low is None) == bool(reason)


def test_one_sample_that_decides_all_is_no_interval() -> None:
    sample = np.full(500, 1.0)
    sample[7] = 4000.0
    estimate = jackknife_estimate(mean_of(sample), 500, undefined=UNDEFINED, units="images", scale="rank")
    assert (estimate.low, estimate.reason) == (None, "a few images decide the value")


def test_more_bias_than_chance_is_no_interval() -> None:
    def inflated(weights: Weights) -> NDArray[np.float64]:
        counted = weights.sum(axis=1)
        return np.asarray(0.2 + 6 / counted + 1e-4 * mean_of(np.arange(25.0))(weights))

    estimate = jackknife_estimate(inflated, 25, undefined=UNDEFINED)
    assert estimate.low is None
    assert estimate.reason == "with few samples it is about 24.1 points too high, much more than chance explains"


def test_a_value_that_is_biased_beyond_chance_is_an_end() -> None:
    sample = np.random.default_rng(8).beta(2, 3, 100)

    def inflated(weights: Weights) -> NDArray[np.float64]:
        return mean_of(sample)(weights) + 7 / weights.sum(axis=1)

    plain = jackknife_estimate(mean_of(sample), 100, undefined=UNDEFINED)
    estimate = jackknife_estimate(inflated, 100, undefined=UNDEFINED)
    assert plain.low is not None and plain.high is not None and plain.high < estimate.value
    assert estimate.low == pytest.approx(plain.low, abs=0.02) and estimate.high == estimate.value


@pytest.mark.parametrize("scale", ["fraction", "rank"])
def test_ends_stay_in_range(scale: jackknife.Scale) -> None:
    sample = np.concatenate([np.full(200, 1.0), np.full(20, 0.2 if scale == "fraction" else 30.0)])
    estimate = jackknife_estimate(mean_of(sample), 220, undefined=UNDEFINED, scale=scale)
    assert estimate.low is not None and estimate.high is not None
    assert estimate.low < estimate.value < estimate.high
    assert (estimate.low > 0 and estimate.high < 1) if scale == "fraction" else estimate.low >= 1


def test_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample, got n = 0"):
        jackknife_estimate(lambda weights: weights.sum(axis=1) / 1.0, 0, undefined=UNDEFINED)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_an_interval_holds_its_value_and_has_a_width_or_a_reason(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, targets = random.normal(size=(n, 3)), random.random((n, 3)) < 0.3
    for found in (mean_average_precision(scores, targets), mean_roc_auc(scores, targets)):
        if found.low is None or found.high is None:
            assert found.reason
        else:
            assert 0 <= found.low <= found.value <= found.high <= 1 and found.low < found.high and not found.reason


def test_a_mean_average_precision_of_few_positives_is_held() -> None:
    """Where percentiles of resamples fail: 50 samples, a dozen positives a class and less. The truth is of 200,000."""
    prevalence, shift = np.linspace(0.05, 0.25, 8), np.linspace(0.5, 2.5, 8)

    def draw(n: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        targets = random.random((n, 8)) < prevalence
        return targets * shift + random.normal(size=(n, 8)), targets

    many = draw(200_000, np.random.default_rng(0))
    truth = np.array([mean_average_precision(many[0][:, [c]], many[1][:, [c]], interval=False).value for c in range(8)])
    held = printed = percentiles = 0
    for seed in range(120):
        scores, targets = draw(50, np.random.default_rng(seed))
        estimate, true = mean_average_precision(scores, targets), truth[targets.any(axis=0)].mean()
        if estimate.low is not None and estimate.high is not None:
            printed += 1
            held += estimate.low <= true <= estimate.high
        statistic = mean_average_precision_statistic(scores, targets)
        draws = np.random.default_rng(seed).multinomial(50, np.full(50, 0.02), size=200).astype(np.int32)
        low, high = np.quantile(statistic(draws), [0.025, 0.975])
        percentiles += low <= true <= high
    assert printed >= 100 and held / printed == pytest.approx(0.96, abs=0.04)
    assert percentiles / 120 < 0.75
