"""Mean class accuracy against scikit-learn, and its draws of images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from vlmbench.metrics.detection.accuracy import mean_class_accuracy


def test_it_is_balanced_accuracy_over_boxes() -> None:
    random = np.random.default_rng(0)
    labels, guesses = random.integers(0, 7, 300), random.integers(0, 7, 300)
    estimate = mean_class_accuracy(guesses == labels, labels, random.integers(0, 40, 300), 40)
    assert estimate.value == pytest.approx(balanced_accuracy_score(labels, guesses))
    assert estimate.low is not None and estimate.high is not None and estimate.low < estimate.value < estimate.high


def test_images_are_drawn_and_not_boxes() -> None:
    """All boxes of one image are right, all of the other wrong: resamples give 0, 1/2 or 1."""
    labels, image = np.zeros(100, dtype=int), np.repeat([0, 1], 50)
    estimate = mean_class_accuracy(image == 0, labels, image, 2)
    assert (estimate.value, estimate.low, estimate.high) == (0.5, 0.0, 1.0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        mean_class_accuracy(np.array([True]), np.array([0, 1]), np.array([0]), 1)
