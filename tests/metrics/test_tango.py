"""Tango's interval against a numerical solution of its definition, and for what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial, norm

from vlmbench.metrics.tango import score_interval, score_statistic

TABLES = [(4, 12, 100), (0, 7, 60), (9, 0, 40), (3, 3, 30), (120, 180, 10_000), (1, 0, 5)]


def statistic_by_search(gained: int, lost: int, n: int, bound: float) -> float:
    """The score statistic at the likelihood's constrained maximum, which is searched for."""

    def unlikeliness(loss: float) -> float:
        rates = [loss + bound, loss, 1 - 2 * loss - bound]
        return -float(np.dot([gained, lost, n - gained - lost], np.log(np.maximum(rates, 1e-300))))

    inside = (max(0.0, -bound), (1 - bound) / 2)
    loss = minimize_scalar(unlikeliness, bounds=inside, method="bounded", options={"xatol": 1e-13}).x
    return (gained - lost - n * bound) / np.sqrt(n * (2 * loss + bound - bound**2))


@pytest.mark.parametrize(("gained", "lost", "n"), TABLES)
def test_the_statistic_is_that_of_the_constrained_maximum(gained: int, lost: int, n: int) -> None:
    for bound in (-0.2, -0.03, 0.01, 0.15):
        expected = statistic_by_search(gained, lost, n, bound)
        assert score_statistic(gained, lost, n, bound) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("gained", "lost", "n"), TABLES)
def test_the_interval_ends_where_the_test_begins_to_reject(gained: int, lost: int, n: int) -> None:
    low, high = score_interval(gained, lost, n)
    assert statistic_by_search(gained, lost, n, low) == pytest.approx(norm.ppf(0.975), rel=1e-4)
    assert statistic_by_search(gained, lost, n, high) == pytest.approx(norm.ppf(0.025), rel=1e-4)
    mirrored = score_interval(lost, gained, n)
    assert mirrored == pytest.approx((-high, -low))


def test_no_disagreement_leaves_an_interval_and_full_disagreement_ends_at_one() -> None:
    z = norm.ppf(0.975)
    half = z**2 / (1000 + z**2)  # the score interval of 0 in 1,000
    assert score_interval(0, 0, 1000) == pytest.approx((-half, half))
    assert score_interval(10, 0, 10)[1] == 1.0 and score_interval(0, 10, 10)[0] == -1.0
    assert score_statistic(0, 0, 10, 0.0) == score_statistic(0, 0, 10, -1e-300) == 0.0


@pytest.mark.parametrize(
    ("n", "gain", "loss"), [(50, 0.1, 0.1), (200, 0.02, 0.02), (200, 0.02, 0.06), (2000, 0.001, 0.001), (500, 0.1, 0.2)]
)
def test_it_covers_the_true_difference(n: int, gain: float, loss: float) -> None:
    """Over every table that can be: the exact coverage, of which Tango's paper finds 93 % or more."""
    most = int(n * max(gain, loss) + 8 * np.sqrt(n * max(gain, loss)) + 5)
    counts = np.arange(min(n, most) + 1)
    gained, lost = (grid.ravel() for grid in np.meshgrid(counts, counts))
    possible = gained + lost <= n
    gained, lost = gained[possible], lost[possible]
    chances = multinomial.pmf(np.stack([gained, lost, n - gained - lost], axis=1), n, [gain, loss, 1 - gain - loss])
    z = norm.ppf(0.975)
    likely = chances > 1e-9
    held = sum(
        chance
        for a, b, chance in zip(gained[likely].tolist(), lost[likely].tolist(), chances[likely].tolist(), strict=True)
        if abs(score_statistic(a, b, n, gain - loss)) <= z
    )
    assert 0.93 <= held <= 1.0


def test_impossible_tables_are_refused() -> None:
    for table in ((1, 1, 1), (-1, 0, 5), (0, 0, 0)):
        with pytest.raises(ValueError, match="pairs"):
            score_interval(*table)
    with pytest.raises(ValueError, match="confidence"):
        score_interval(1, 2, 10, confidence=1.0)
