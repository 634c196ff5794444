"""The interval of a mean of proportions: hand-worked cases, and how often it holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.metrics.intervals import wilson
from vlmbench.metrics.strata import mean_of_proportions

Z = 1.959963984540054


def test_two_classes_by_hand() -> None:
    """9 and 5 of 10 trials each, mean 0.7: drawn to 9.7 / 11 and 5.7 / 11, with 11 / 100 of their variances."""
    variance = (9.7 * 1.3 + 5.7 * 5.3) / 121 * 11 / 100 / 4
    trials = 0.7 * 0.3 / variance
    found = mean_of_proportions(np.array([9, 5]), np.array([10, 10]))
    centre, margin = 0.7 + Z**2 / (2 * trials), Z * np.sqrt(0.21 / trials + Z**2 / (4 * trials**2))
    assert found == pytest.approx(((centre - margin) / (1 + Z**2 / trials), (centre + margin) / (1 + Z**2 / trials)))


def test_lone_trials_vary_as_they_do_among_themselves() -> None:
    """A hundred classes of one trial each: the interval of a proportion of a hundred, but for n - 1."""
    hits = (np.arange(100) < 70).astype(np.int64)
    assert mean_of_proportions(hits, np.ones(100, dtype=np.int64)) == pytest.approx(wilson(70, 100), abs=1e-3)


def test_a_small_class_widens_the_interval_of_a_perfect_mean() -> None:
    assert mean_of_proportions(np.array([50, 50]), np.array([50, 50])) == pytest.approx(wilson(100, 100))
    low, high = mean_of_proportions(np.array([1000, 1]), np.array([1000, 1]))
    assert high == 1.0 and low == pytest.approx(wilson(4, 4)[0], abs=1e-3)
    assert mean_of_proportions(np.array([0, 0]), np.array([5, 5]))[0] == 0.0


@pytest.mark.parametrize("trials", [1, 2, 10])
def test_classes_that_are_all_right_or_all_wrong_have_a_width(trials: int) -> None:
    low, high = mean_of_proportions(np.array([trials, 0]), np.array([trials, trials]))
    assert low < 0.46 and high > 0.54


@given(st.lists(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1))
def test_it_holds_the_mean_and_mirrors(pairs: list[tuple[int, int]]) -> None:
    hits, trials = np.array(pairs).T
    low, high = mean_of_proportions(hits, trials)
    assert 0 <= low <= (hits / trials).mean() + 1e-12 and (hits / trials).mean() - 1e-12 <= high <= 1 and low < high
    assert mean_of_proportions(trials - hits, trials) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("classes", "n"), [(10, 50), (100, 500), (1000, 500)])
def test_it_holds_the_truth(classes: int, n: int) -> None:
    random = np.random.default_rng(classes)
    recalls, shares = random.beta(6, 2, classes), random.dirichlet(np.full(classes, 3.0))
    held = 0
    for _ in range(500):
        labels = random.choice(classes, n, p=shares)
        trials = np.bincount(labels, minlength=classes)
        hits = random.binomial(trials, recalls)
        seen = trials > 0
        low, high = mean_of_proportions(hits[seen], trials[seen])
        held += low <= recalls[seen].mean() <= high
    assert held / 500 == pytest.approx(0.955, abs=0.025)
