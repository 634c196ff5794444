"""Errors of differences against the formula of two by two tables and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from vlmbench.metrics.paired import class_mean_contributions, difference_errors


def test_two_models_as_mcnemars_design_has_it() -> None:
    random = np.random.default_rng(0)
    first, second = (random.random((2, 500)) < [[0.7], [0.6]]).astype(float)
    only_first, only_second = np.mean((first == 1) & (second == 0)), np.mean((first == 0) & (second == 1))
    wald = np.sqrt((only_first + only_second - (only_first - only_second) ** 2) / 499)
    errors = difference_errors(np.stack([first, second, first]))
    assert errors[0, 1] == pytest.approx(wald) and errors[1, 0] == errors[0, 1]
    assert errors[0, 2] == pytest.approx(0, abs=1e-9), "a model does not differ from itself"


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
