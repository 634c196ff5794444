"""Mean class accuracy against scikit-learn, and its interval over images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from vlmbench.metrics.detection.accuracy import mean_class_accuracy
from vlmbench.metrics.intervals import wilson


def test_it_is_balanced_accuracy_over_boxes() -> None:
    random = np.random.default_rng(0)
    labels, guesses = random.integers(0, 7, 300), random.integers(0, 7, 300)
    estimate = mean_class_accuracy(guesses == labels, labels, random.integers(0, 40, 300), 40)
    assert estimate.value == pytest.approx(balanced_accuracy_score(labels, guesses))
    assert estimate.low is not None and estimate.high is not None and estimate.low < estimate.value < estimate.high


def test_images_are_left_out_and_not_boxes() -> None:
    """Fifty equal boxes an image tell no more than one."""
    right = np.random.default_rng(1).random(100) < 0.6
    labels, image = np.arange(100) % 4, np.arange(100)
    alone = mean_class_accuracy(right, labels, image, 100)
    many = mean_class_accuracy(np.repeat(right, 50), np.repeat(labels, 50), np.repeat(image, 50), 100)
    assert (many.value, many.low, many.high) == pytest.approx((alone.value, alone.low, alone.high))


def test_all_right_has_a_lower_end() -> None:
    """Two classes of ten images each: as sure as twenty trials."""
    labels, image = np.repeat([0, 1], 40), np.repeat(np.arange(20), 4)
    estimate = mean_class_accuracy(np.ones(80, dtype=bool), labels, image, 20)
    assert (estimate.value, estimate.low, estimate.high) == (1.0, pytest.approx(wilson(20, 20)[0]), 1.0)


def test_two_images_are_too_few() -> None:
    labels, image = np.zeros(100, dtype=int), np.repeat([0, 1], 50)
    estimate = mean_class_accuracy(image == 0, labels, image, 2)
    assert (estimate.value, estimate.low, estimate.reason) == (0.5, None, "2 images are too few")


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        mean_class_accuracy(np.array([True]), np.array([0, 1]), np.array([0]), 1)
