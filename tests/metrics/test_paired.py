"""Errors of differences against the formula of two by two tables and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from vlmbench.metrics.paired import class_mean_contributions, difference_errors


def test_two_models_as_mcnemars_design_has_it() -> None:
    random = np.random.default_rng(0)
    first, second = (random.random((2, 500)) < [[0.7], [0.6]]).astype(float)
    only_first = (np.sum((first == 1) & (second == 0)) + 1) / 502
    only_second = (np.sum((first == 0) & (second == 1)) + 1) / 502
    adjusted = np.sqrt((only_first + only_second - (only_first - only_second) ** 2) / 502)
    errors = difference_errors(np.stack([first, second, first]))
    assert errors[0, 1] == pytest.approx(adjusted * 502 / 500) and errors[1, 0] == errors[0, 1]
    assert errors[0, 2] == pytest.approx(np.sqrt(2) / 500), "equal answers leave room for doubt"
    assert errors.diagonal().tolist() == [0, 0, 0]


def test_no_pair_is_told_apart_that_mcnemars_test_does_not() -> None:
    told = 0
    for one, other in ((b, c) for b in range(30) for c in range(b)):
        answers = np.zeros((2, 300))
        answers[0, :one] = 1
        answers[1, one : one + other] = 1
        apart = (one - other) / 300 > 1.959964 * difference_errors(answers)[0, 1]
        tail = binom.cdf(other, one + other, 0.5) - binom.pmf(other, one + other, 0.5) / 2
        assert not apart or 2 * tail <= 0.05, (one, other)
        told += apart
    assert told > 190, "of 435"
    assert 1.959964 * difference_errors(np.array([[1.0, 1.0], [0.0, 0.0]]))[0, 1] > 1.0, "two samples are no proof"


def test_the_mean_of_class_recalls_as_the_bootstrap_within_classes() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [20, 200, 80])
    correct = random.random((2, 300)) < np.array([0.9, 0.5, 0.7])[labels]
    contributions = np.stack([class_mean_contributions(row, labels) for row in correct])
    draws = []
    for _ in range(4000):
        chosen = np.concatenate([random.choice(np.flatnonzero(labels == c), (labels == c).sum()) for c in range(3)])
        recalls = [[row[chosen][labels == c].mean() for c in range(3)] for row in correct]
        draws.append(np.mean(recalls[0]) - np.mean(recalls[1]))
    assert difference_errors(contributions)[0, 1] == pytest.approx(np.std(draws), rel=0.05)


def test_one_sample_has_no_error() -> None:
    with pytest.raises(ValueError, match="at least two samples"):
        difference_errors(np.ones((2, 1)))
