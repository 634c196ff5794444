"""Paired differences against statsmodels, SciPy and plain loops; what a gate relies on is in test_difference_rates."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from vlmbench.metrics.difference import (
    Difference,
    holm,
    mcnemar_difference,
)
from vlmbench.metrics.intervals import WeightedStatistic
from vlmbench.metrics.paired_bootstrap import bootstrap_difference, bootstrap_differences
from vlmbench.metrics.tango import score_interval


def of_counts(both: int, gained: int, lost: int, neither: int) -> Difference:
    counts = [both, gained, lost, neither]
    before, after = np.repeat([True, False, True, False], counts), np.repeat([True, True, False, False], counts)
    return mcnemar_difference(before, after)


def mean_of(values: np.ndarray) -> WeightedStatistic:
    return lambda weights: weights @ values / len(values)


def bootstrapped(before: np.ndarray, after: np.ndarray, **options: Any) -> Difference:
    """Of two means."""
    differing = before != after
    return bootstrap_difference(mean_of(before), mean_of(after), len(before), differing=differing, **options)


@settings(max_examples=60, deadline=None)
@given(*[st.integers(0, 200)] * 3)
def test_mcnemar_agrees_with_statsmodels_and_scipy(both: int, gained: int, lost: int) -> None:
    difference = of_counts(both + 1, gained, lost, 3)
    expected = mcnemar([[both + 1, lost], [gained, 3]], exact=True).pvalue
    assert difference.p_value == pytest.approx(expected, abs=1e-12)
    if gained + lost:
        assert difference.p_value == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, abs=1e-12)
    n = both + gained + lost + 4
    assert difference.value == pytest.approx(difference.candidate - difference.baseline)
    assert (difference.n, difference.differing) == (n, gained + lost)
    if lost >= gained:
        assert difference.p_below(0) == difference.p_value
    if gained >= lost:
        assert difference.p_above(0) == difference.p_value


def test_interval_and_exact_test_never_contradict_each_other() -> None:
    difference = of_counts(50, 4, 12, 34)  # Tango's interval alone leaves 0 out
    assert score_interval(4, 12, 100)[1] < 0 and difference.p_value > 0.05
    assert difference.ci95 == (pytest.approx(score_interval(4, 12, 100)[0]), 0.0)
    certain = of_counts(50, 2, 20, 34)
    assert certain.ci95 == pytest.approx(score_interval(2, 20, 106))
    assert certain.ci95 is not None and certain.ci95[1] < 0 and certain.p_value < 0.001


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_a_harder_bound_is_never_easier_to_show(gained: int, lost: int, bounds: list[float]) -> None:
    random = np.random.default_rng(gained * 100 + lost)
    steps = np.r_[np.ones(gained), -np.ones(lost), np.zeros(40)]
    before = random.random(len(steps))
    booted = bootstrapped(before, before + steps, resamples=50)
    for difference in (of_counts(20, gained, lost, 20), booted):
        below = [difference.p_below(bound) for bound in sorted(bounds)]
        above = [difference.p_above(bound) for bound in sorted(bounds)]
        assert all(earlier >= later - 1e-12 for earlier, later in pairwise(below))
        assert all(earlier <= later + 1e-12 for earlier, later in pairwise(above))
        assert all(0 <= p <= 1 for p in below + above)


def test_identical_runs_leave_no_doubt() -> None:
    right = np.array([True, False, True])
    same = mcnemar_difference(right, right.copy(), identical=True)
    again = bootstrapped(right, right, identical=True)
    for difference in (same, again):
        assert (difference.value, difference.ci95, difference.p_value) == (0, (0, 0), 1)
        assert difference.p_below(0) == difference.p_above(0) == 1
        assert difference.p_above(-0.001) == 0 and difference.p_below(0.001) == 0
    assert mcnemar_difference(right, right).ci95 == pytest.approx(score_interval(0, 0, 3)), "equal hits, other scores"


@pytest.mark.parametrize("kind", ["means", "class recalls"])
def test_bootstrap_equals_a_loop_that_resamples_rows(kind: str) -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 40)
    guesses = [np.where(random.random(40) < 0.7, labels, random.integers(0, 3, 40)) for _ in range(2)]

    def of_rows(model: int, rows: np.ndarray) -> float:
        if kind == "means":
            return float((guesses[model] == labels)[rows].mean())
        return float(balanced_accuracy_score(labels[rows], guesses[model][rows]))

    def statistic(model: int) -> WeightedStatistic:
        return lambda weights: np.array([of_rows(model, np.repeat(np.arange(40), row)) for row in weights])

    differing = (guesses[0] == labels) != (guesses[1] == labels)
    difference = bootstrap_difference(statistic(0), statistic(1), 40, differing=differing, seed=7, resamples=60)

    generator = np.random.default_rng(7)
    draws = []
    for _ in range(60):
        rows = generator.integers(0, 40, size=40)
        draws.append(of_rows(1, rows) - of_rows(0, rows))
    every = np.arange(40)
    value, error = of_rows(1, every) - of_rows(0, every), np.std(draws, ddof=1)
    without = [np.delete(every, row) for row in np.flatnonzero(differing)]
    shares = np.array([of_rows(1, rows) - of_rows(0, rows) - value for rows in without])
    t = stats.t(min(differing.sum(), (shares**2).sum() ** 2 / (shares**4).sum()) - 1)
    assert difference.value == pytest.approx(value, abs=1e-12)
    assert difference.error == pytest.approx(error, abs=1e-12)
    assert difference.degrees == pytest.approx(t.args[0])
    assert difference.ci95 == pytest.approx((value - t.ppf(0.975) * error, value + t.ppf(0.975) * error), abs=1e-12)
    assert difference.p_value == pytest.approx(2 * t.sf(abs(value) / error), abs=1e-12)
    assert difference.p_below(-0.01) == pytest.approx(min(1, 2 * t.cdf((value + 0.01) / error)), abs=1e-12)
    assert difference.p_above(-0.01) == pytest.approx(min(1, 2 * t.sf((value + 0.01) / error)), abs=1e-12)


def test_the_spread_is_that_of_scipys_paired_bootstrap() -> None:
    random = np.random.default_rng(4)
    before = random.normal(size=300)
    after = before + random.normal(0.05, 0.3, size=300)
    ours = bootstrapped(before, after, resamples=4000)
    theirs = stats.bootstrap(
        (before, after),
        lambda x, y, axis: y.mean(axis=axis) - x.mean(axis=axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        random_state=random,
    )
    assert ours.error == pytest.approx(theirs.standard_error, rel=0.05)
    assert ours.ci95 == pytest.approx(tuple(theirs.confidence_interval), abs=0.1 * ours.error)


def test_one_sample_more_differing_does_not_change_what_few_can_tell() -> None:
    """Six of six for the worse convince McNemar's test just so; Student's with five degrees is a little stricter."""
    before = np.zeros(500)
    after = before.copy()
    after[:6] = -1
    difference = bootstrapped(before, after)
    assert 0.03 < difference.p_value < 0.08
    after[6:8] = -1
    assert bootstrapped(before, after).p_value < 0.05


def test_a_sample_that_outweighs_all_others_counts_as_hardly_more_than_one() -> None:
    before = np.zeros(300)
    alike, one = before.copy(), before.copy()
    alike[:40] = -1
    one[:40] = [-50] + [-1] * 39
    assert 35 < bootstrapped(before, alike).degrees < 40
    assert bootstrapped(before, one).degrees == 1


def test_of_many_samples_some_tell_how_much_they_count() -> None:
    random = np.random.default_rng(8)
    before = np.zeros(3000)
    after = random.normal(size=3000)
    every = (after**2).sum() ** 2 / (after**4).sum()
    assert bootstrapped(before, after, resamples=20).degrees == pytest.approx(every, rel=0.2)


def test_where_nothing_differs_the_rule_of_three_bounds_what_was_not_seen() -> None:
    flat = np.ones(300)
    difference = bootstrapped(flat, flat, largest=2.0)
    assert difference.ci95 == pytest.approx((-2 * (1 - 0.05 ** (1 / 300)), 2 * (1 - 0.05 ** (1 / 300))))
    assert (
        difference.p_value == 1 and difference.ci95 is not None and difference.ci95[1] == pytest.approx(0.02, rel=0.01)
    )


def test_a_single_sample_proves_nothing() -> None:
    difference = bootstrapped(np.zeros(1), np.ones(1))
    assert (difference.value, difference.ci95, difference.p_value) == (1.0, None, 1.0)
    assert difference.p_below(0.5) == difference.p_above(0) == 1.0 and difference.detectable() == math.inf


@pytest.mark.parametrize("n", [2, 5, 6])
def test_a_few_samples_that_all_turn_tell_no_more_than_their_signs(n: int) -> None:
    """There is no spread in them, whatever is drawn."""
    difference = bootstrapped(np.ones(n), np.zeros(n))
    signs = stats.binomtest(0, n).pvalue
    assert difference.p_value == difference.p_below(0) == difference.p_below(-0.01) == pytest.approx(signs)
    assert difference.ci95 is not None and (difference.ci95[1] >= 0) == (signs > 0.05)
    assert -1 <= difference.ci95[0] <= difference.ci95[1] <= 1, "no metric falls further"
    many = bootstrapped(np.ones(50), np.zeros(50))
    assert many.p_value == many.p_below(0) < 1e-6


def test_statistics_of_one_set_of_draws_are_those_of_each_alone() -> None:
    random = np.random.default_rng(5)
    before, after = random.random((2, 60, 3))
    before[:, 2] = np.nan

    def columns(values: np.ndarray) -> WeightedStatistic:
        return lambda weights: weights @ values / 60

    differing = np.ones((60, 3), dtype=bool)
    together = bootstrap_differences(columns(before), columns(after), 60, differing=differing, resamples=80)
    alone = bootstrapped(before[:, 1], after[:, 1], resamples=80)
    assert together[2] is None, "undefined in one of the two"
    assert together[1] is not None and together[1].error == pytest.approx(alone.error)
    assert together[1].ci95 == pytest.approx(alone.ci95)


def test_the_detectable_drop_is_found_with_the_stated_power() -> None:
    random = np.random.default_rng(6)
    n, gain, loss = 4000, 0.03, 0.03
    drop = of_counts(n - 240, 120, 120, 0).detectable()
    assert drop == pytest.approx((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * math.sqrt(0.06 / n), rel=0.01)
    tables = random.multinomial(n, [gain - drop / 2, loss + drop / 2, 1 - gain - loss], size=400)
    found = [of_counts(rest, gained, lost, 0).p_below(0) <= 0.05 for gained, lost, rest in tables.tolist()]
    assert 0.72 <= np.mean(found) <= 0.88


def test_without_differing_samples_the_detectable_drop_is_what_a_test_would_need() -> None:
    """Six samples have to turn before the exact test says anything: 7.9 expected ones do so with a power of 0.8."""
    drop = of_counts(1000, 0, 0, 0).detectable()
    assert stats.poisson.sf(5, drop * 1000) == pytest.approx(0.8)
    booted = bootstrapped(np.ones(1000), np.ones(1000))
    assert drop <= booted.detectable() <= 1.3 * drop
    assert of_counts(1000, 0, 0, 0).detectable(significance=0.001) > drop


def test_samples_that_differ_a_little_show_less_than_whole_samples_that_turn() -> None:
    """Scores that all move by a hundredth: what can be seen is of that size, however many samples a sign test wants."""
    random = np.random.default_rng(9)
    n, spread = 200, 0.01
    drop = bootstrapped(np.full(n, 0.5), 0.5 + random.normal(0, spread, n)).detectable()
    assert drop == pytest.approx((stats.t.ppf(0.975, n) + stats.norm.ppf(0.8)) * spread / math.sqrt(n), rel=0.2)
    found = [
        bootstrapped(np.full(n, 0.5), 0.5 + random.normal(-drop, spread, n), resamples=200).p_below(0) <= 0.05
        for _ in range(100)
    ]
    assert 0.65 <= np.mean(found) <= 0.95


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist(), abs=1e-12)


def test_nothing_to_correct_is_nothing() -> None:
    assert holm([]) == []


def test_bad_input_is_refused() -> None:
    flat = mean_of(np.ones(5))
    with pytest.raises(ValueError, match="lengths differ"):
        mcnemar_difference(np.ones(3, dtype=bool), np.ones(4, dtype=bool))
    with pytest.raises(ValueError, match="differing has 6 rows for 5 samples"):
        bootstrap_difference(flat, flat, 5, differing=np.ones(6, dtype=bool))
    with pytest.raises(ValueError, match="two resamples"):
        bootstrapped(np.ones(5), np.zeros(5), resamples=1)
    with pytest.raises(ValueError, match="undefined"):
        bootstrapped(np.ones(5), np.full(5, np.nan), resamples=10)
    with pytest.raises(ValueError, match="not a p-value"):
        holm([0.1, 1.2])
    with pytest.raises(ValueError, match="power"):
        of_counts(5, 1, 1, 5).detectable(power=1.0)
