"""Bad input to the classification metrics: each message names the array and the first offending sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlmbench.metrics.classification import (
    expected_calibration_error,
    mean_per_class_recall,
    per_class,
    top_k_accuracy,
)

EMPTY = np.array([], dtype=np.int64)


@pytest.mark.parametrize(
    "call",
    [
        lambda: top_k_accuracy(np.empty((0, 5), dtype=int), EMPTY, 1),
        lambda: mean_per_class_recall(EMPTY, EMPTY),
        lambda: expected_calibration_error(np.array([]), np.array([], dtype=bool)),
        lambda: per_class(np.empty((0, 5), dtype=int), EMPTY, 3),
    ],
)
def test_no_samples_is_an_error(call: Any) -> None:
    with pytest.raises(ValueError, match="has no samples"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_per_class_recall(np.array([0, 0, 0]), np.array([0, -1, -2])), r"labels\[1\] is -1"),
        (lambda: mean_per_class_recall(np.array([0, -3]), np.array([0, 1])), r"predicted\[1\] is -3"),
        (
            lambda: top_k_accuracy(np.array([[0, 1], [2, -1]]), np.array([0, 1]), 1),
            r"top_indices\[1, 1\] is -1",
        ),
        (lambda: per_class(np.array([[0], [1]]), np.array([0, 2]), 2), r"labels\[1\] is 2; .* in \[0, 2\)"),
        (
            lambda: mean_per_class_recall(np.array([0, 1]), np.array([0])),
            "lengths differ: predicted 2, labels 1",
        ),
        (
            lambda: top_k_accuracy(np.array([[0]]), np.array([0, 1]), 1),
            "lengths differ: top_indices 1, labels 2",
        ),
        (lambda: per_class(np.array([[0]]), np.array([0, 1]), 2), "lengths differ"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
