"""What a gate relies on: how often differences are found that are not there, and how often those that are.

Every pair of models is simulated; 500 a case, all on one set of draws, so that they cost as little as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from vlmbench.metrics.difference import Difference, holm, mcnemar_difference
from vlmbench.metrics.intervals import WeightedStatistics, Weights
from vlmbench.metrics.paired_bootstrap import bootstrap_differences
from vlmbench.metrics.ranking import mean_average_precision_statistic

PAIRS = 500
STATED = 0.05
SLACK = stats.binom.ppf(0.999, PAIRS, STATED) / PAIRS
"""Of 500 pairs that a test is wrong about with a chance of 5 %, more than so many in one run of a thousand."""


def worse(found: Sequence[Difference | None], bound: float = 0.0) -> float:
    """The share of pairs in which the candidate is said to be worse."""
    return float(np.mean([each is not None and each.p_below(bound) <= STATED for each in found]))


def uncovered(found: Sequence[Difference | None], truth: float = 0.0) -> float:
    """The share of pairs whose interval leaves the true difference out."""
    inside = [each is not None and each.ci95 is not None and each.ci95[0] <= truth <= each.ci95[1] for each in found]
    return float(1 - np.mean(inside))


def steps(random: np.random.Generator, n: int, gain: float, loss: float, pairs: int = PAIRS) -> np.ndarray:
    """(pairs, n): 1 where a candidate got right what the baseline did not, -1 the other way round."""
    drawn = random.random((pairs, n))
    return np.where(drawn < gain, 1, np.where(drawn < gain + loss, -1, 0))


def shares(changes: np.ndarray) -> list[Difference]:
    return [mcnemar_difference(row < 0, row > 0) for row in changes]  # right in both or in neither is the same to it


def lost_beyond(lost: int, gained: int, n: int, tolerance: float) -> bool:
    """Whether such a table is said to be a loss beyond the tolerance."""
    if lost - gained <= tolerance * n:
        return False
    value = (gained - lost) / n
    found = Difference(0, value, value, (-1, 1), 1.0, n, gained + lost, 0.0, "mcnemar", gained, lost)
    return found.p_below(-tolerance) <= STATED


@pytest.mark.parametrize(("n", "disagree"), [(50, 0.2), (200, 0.1), (1000, 0.02), (1000, 0.3), (10_000, 0.005)])
def test_mcnemar_finds_no_difference_where_there_is_none(n: int, disagree: float) -> None:
    found = shares(steps(np.random.default_rng(n), n, disagree / 2, disagree / 2))
    assert worse(found) <= SLACK and uncovered(found) <= SLACK
    assert np.mean([each.p_value <= STATED for each in found]) <= SLACK


@pytest.mark.parametrize("tolerance", [0.005, 0.02])
def test_a_drop_as_large_as_the_tolerance_is_let_through(tolerance: float) -> None:
    found = shares(steps(np.random.default_rng(1), 2000, 0.05, 0.05 + tolerance))
    assert worse(found, -tolerance) <= SLACK and uncovered(found, -tolerance) <= SLACK


@pytest.mark.parametrize(("n", "tolerance"), [(30, 0.2), (200, 0.02), (200, 0.1)])
def test_a_drop_as_large_as_the_tolerance_is_let_through_whatever_else_differs(n: int, tolerance: float) -> None:
    """Every table there is, with its chance; without the correction one-sided errors reach 5 %, not half of it."""
    tables = [(lost, gained) for gained in range(n + 1) for lost in range(n + 1 - gained)]
    found = [pair for pair in tables if lost_beyond(*pair, n, tolerance)]
    for gain in (0.0005, 0.005, 0.03, 0.1, 0.2):
        chances = stats.multinomial.pmf(
            [(lost, gained, n - lost - gained) for lost, gained in found],
            n,
            [gain + tolerance, gain, 1 - 2 * gain - tolerance],
        )
        assert chances.sum() <= STATED / 2


def test_two_points_of_ten_thousand_are_caught() -> None:
    """Two models that disagree on a tenth of the samples, as two checkpoints of one model do; and on a fifth."""
    for gain, loss in ((0.04, 0.06), (0.09, 0.11)):
        found = shares(steps(np.random.default_rng(2), 10_000, gain, loss))
        assert worse(found) >= 0.99
        assert np.mean([each.detectable() < 0.02 for each in found]) == 1.0


def test_over_twenty_tasks_one_run_in_twenty_is_wrong_at_most() -> None:
    found = shares(np.concatenate([steps(np.random.default_rng(seed), 300, 0.06, 0.06) for seed in range(2)]))
    runs = np.array([each.p_below(0) for each in found]).reshape(-1, 20)
    wrong = [min(holm(run.tolist())) <= STATED for run in runs]
    assert np.sum(wrong) <= stats.binom.ppf(0.999, len(runs), STATED)


class Recalls:
    """How the mean per-class recalls of pairs on the same labels differ."""

    def __init__(self, n: int, classes: int, tail: float, gain: float, loss: float, pairs: int = PAIRS) -> None:
        random = np.random.default_rng(0)
        share = np.arange(1.0, classes + 1) ** -tail
        self.labels = np.concatenate([np.arange(classes), random.choice(classes, n - classes, p=share / share.sum())])
        self.shown = np.eye(classes)[self.labels]
        self.changes = steps(random, n, gain, loss, pairs)
        self.columns = (self.changes[:, :, None] * self.shown).transpose(1, 0, 2).reshape(n, -1).astype(np.float32)

    def baseline(self, weights: Weights) -> np.ndarray:
        return np.zeros((len(weights), len(self.changes)))

    def candidate(self, weights: Weights) -> np.ndarray:
        drawn = weights @ self.shown
        sums = (weights.astype(np.float32) @ self.columns).reshape(len(weights), len(self.changes), -1)
        return (sums / np.maximum(drawn, 1)[:, None]).sum(axis=2) / (drawn > 0).sum(axis=1)[:, None]

    def differences(self) -> list[Difference | None]:
        differing = self.changes.T != 0
        return bootstrap_differences(
            self.baseline, self.candidate, len(self.labels), differing=differing, resamples=300, rows=50
        )


@pytest.mark.parametrize(
    ("n", "classes", "tail", "disagree"),
    [(60, 3, 0, 0.1), (200, 10, 0, 0.03), (200, 10, 1.5, 0.1), (300, 50, 1.2, 0.1), (1000, 20, 1, 0.05)],
)
def test_class_recalls_find_no_difference_where_there_is_none(
    n: int, classes: int, tail: float, disagree: float
) -> None:
    found = Recalls(n, classes, tail, disagree / 2, disagree / 2).differences()
    assert worse(found) <= SLACK and uncovered(found) <= SLACK


def test_class_recalls_are_caught_two_points_down() -> None:
    assert worse(Recalls(10_000, 5, 0, 0.04, 0.06, pairs=80).differences()) >= 0.99


def test_retrieval_recall_finds_no_difference_where_there_is_none() -> None:
    """Five captions an image that tend to be found or missed together, and the image itself."""
    random = np.random.default_rng(3)
    n, captions = 200, 5
    touched = random.random((PAIRS, n)) < 0.1
    turned = random.integers(-captions, captions + 1, (PAIRS, n)) * touched / captions
    image = random.integers(-1, 2, (PAIRS, n)) * touched
    change = ((turned + image) / 2).T
    found = bootstrap_differences(
        lambda weights: np.zeros((len(weights), PAIRS)),
        lambda weights: weights @ change / n,
        n,
        differing=change != 0,
        resamples=300,
    )
    assert worse(found) <= SLACK and uncovered(found) <= SLACK


def mean_ious(truth: np.ndarray, met: np.ndarray, predicted: np.ndarray) -> WeightedStatistics:
    """Of PAIRS models, from (PAIRS, n, C) pixels."""
    n = truth.shape[1]
    parts = [part.transpose(1, 0, 2).reshape(n, -1).astype(np.float32) for part in (met, truth + predicted - met)]

    def statistic(weights: Weights) -> np.ndarray:
        inside, union = ((weights.astype(np.float32) @ part).reshape(len(weights), PAIRS, -1) for part in parts)
        known = union > 0
        return np.where(known, inside / np.where(known, union, 1), 0).sum(axis=2) / known.sum(axis=2)

    return statistic


@pytest.mark.parametrize(("n", "sizes"), [(30, 1.0), (80, 1.0), (80, 2.0)])
def test_mean_iou_finds_no_difference_where_there_is_none(n: int, sizes: float) -> None:
    """Log-normal sizes of objects: of the widest, a few images have most of a class's pixels."""
    random = np.random.default_rng(n)
    shape = (PAIRS, n, 5)
    truth = np.exp(random.normal(0, sizes, shape)) * (random.random(shape) < 0.3)
    usual = random.uniform(0.3, 1, shape)

    def model() -> tuple[np.ndarray, np.ndarray]:
        noise = random.normal(0, 0.3, shape) * (random.random((PAIRS, n, 1)) < 0.3)
        met = truth * np.clip(usual + noise, 0, 1)
        return met, met + np.roll(truth - met, 1, axis=2)

    before, after = model(), model()
    found = bootstrap_differences(
        mean_ious(truth, *before),
        mean_ious(truth, *after),
        n,
        differing=(before[0] != after[0]).any(axis=2).T,
        resamples=200,
        rows=50,
    )
    assert worse(found) <= SLACK and uncovered(found) <= SLACK


@pytest.mark.parametrize(("n", "share"), [(150, 0.1), (400, 0.02)])
def test_average_precision_finds_no_difference_where_there_is_none(n: int, share: float) -> None:
    random = np.random.default_rng(n)
    positive = random.random((PAIRS, n)) < share
    positive[:, 0] = True
    base = random.normal(size=(PAIRS, n)) + 1.5 * positive
    models = [base + random.normal(0, 0.4, base.shape) for _ in range(2)]
    statistics = [
        [mean_average_precision_statistic(row[:, None], own[:, None]) for row, own in zip(model, positive, strict=True)]
        for model in models
    ]
    some = slice(0, PAIRS // 2)  # a ranking a pair: half of them take long enough

    def of(model: int) -> WeightedStatistics:
        return lambda weights: np.stack([each(weights) for each in statistics[model][some]], axis=1)

    differing = np.ones((n, PAIRS // 2), dtype=bool)
    found = bootstrap_differences(of(0), of(1), n, differing=differing, resamples=150, rows=150)
    slack = stats.binom.ppf(0.999, PAIRS // 2, STATED) / (PAIRS // 2)
    assert worse(found) <= slack and uncovered(found) <= slack
