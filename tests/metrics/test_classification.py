"""Classification metrics against hand-worked cases, scikit-learn and their own laws."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import (
    balanced_accuracy_score,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from vlmbench.metrics.classification import (
    ClassRow,
    expected_calibration_error,
    mean_per_class_recall,
    per_class,
    top_k_accuracy,
)

CLASSES = 5


@st.composite
def predictions(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, 3) distinct classes, best first, and (N,) labels."""
    n = draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return generator.random((n, CLASSES)).argsort(axis=1)[:, :3], generator.integers(0, CLASSES, n)


def random_case(n: int = 3000, classes: int = 12) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Predictions with an absent class (the last) and one never predicted (the one before)."""
    generator = np.random.default_rng(4)
    labels = generator.integers(0, classes - 1, n)
    predicted = np.where(generator.random(n) < 0.6, labels, generator.integers(0, classes, n))
    predicted[predicted == classes - 2] = 0
    return predicted, labels


def test_top_k_accuracy_by_hand() -> None:
    top = np.array([[2, 0, 1], [1, 2, 0], [0, 1, 2], [0, 2, 1]])
    labels = np.array([2, 2, 2, 1])
    assert [top_k_accuracy(top, labels, k).value for k in (1, 2, 3)] == [0.25, 0.5, 1.0]


def test_top_k_accuracy_agrees_with_sklearn_and_scipy() -> None:
    generator = np.random.default_rng(0)
    scores, labels = generator.normal(size=(500, 20)), generator.integers(0, 20, 500)
    top = np.argsort(-scores, axis=1)
    for k in (1, 5):
        estimate = top_k_accuracy(top, labels, k)
        reference = top_k_accuracy_score(labels, scores, k=k, labels=range(20))
        assert estimate.value == pytest.approx(reference)
        interval = binomtest(round(reference * 500), 500).proportion_ci(0.95, method="wilson")
        assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))
        assert estimate.n == 500


@pytest.mark.parametrize("k", [0, -1, 4])
def test_top_k_needs_k_columns(k: int) -> None:
    with pytest.raises(ValueError, match=rf"top-{k} accuracy needs 1 <= k <= 3"):
        top_k_accuracy(np.array([[0, 1, 2]]), np.array([0]), k)


@settings(deadline=None)
@given(predictions(), st.randoms(use_true_random=False))
def test_top_k_laws(case: tuple[NDArray[np.int64], NDArray[np.int64]], random: Any) -> None:
    top, labels = case
    values = [top_k_accuracy(top, labels, k).value for k in (1, 2, 3)]
    assert 0 <= values[0] <= values[1] <= values[2] <= 1
    estimate = top_k_accuracy(top, labels, 2)
    assert estimate.low is not None and estimate.high is not None
    assert estimate.low <= estimate.value <= estimate.high
    order = np.array(random.sample(range(len(labels)), len(labels)))
    assert top_k_accuracy(top[order], labels[order], 2) == estimate


@settings(deadline=None)
@given(predictions(), st.integers(0, 39))
def test_one_more_right_never_lowers(case: tuple[NDArray[np.int64], NDArray[np.int64]], place: int) -> None:
    top, labels = case
    better = top.copy()
    place %= len(labels)
    gained = (better[place, 0] != labels[place]) / len(labels)
    better[place] = labels[place]
    after, before = top_k_accuracy(better, labels, 1), top_k_accuracy(top, labels, 1)
    assert after.value == pytest.approx(before.value + gained)
    recalls = [mean_per_class_recall(guess[:, 0], labels).value for guess in (top, better)]
    assert recalls[1] >= recalls[0] - 1e-12
    assert (recalls[1] > recalls[0]) == (gained > 0)


def test_mean_per_class_recall_by_hand() -> None:
    # Recalls 3/4 and 0/1; class 2 is predicted but has no sample.
    estimate = mean_per_class_recall(np.array([0, 0, 0, 2, 2]), np.array([0, 0, 0, 0, 1]))
    assert (estimate.value, estimate.n) == (0.375, 5)


def test_mean_per_class_recall_agrees_with_sklearn() -> None:
    predicted, labels = random_case()
    estimate = mean_per_class_recall(predicted, labels)
    assert estimate.value == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(predictions(), st.randoms(use_true_random=False))
def test_mean_per_class_recall_laws(case: tuple[NDArray[np.int64], NDArray[np.int64]], random: Any) -> None:
    top, labels = case
    estimate = mean_per_class_recall(top[:, 0], labels)
    assert estimate.low is not None and estimate.high is not None
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1 and estimate.low < estimate.high
    order = np.array(random.sample(range(len(labels)), len(labels)))
    assert mean_per_class_recall(top[order, 0], labels[order]) == estimate
    assert mean_per_class_recall(labels, labels).high == 1.0


def literal_calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int) -> float:
    """Guo et al. 2017, equation 5, bin by bin."""
    error = 0.0
    for index in range(bins):
        low, high = np.linspace(0, 1, bins + 1)[index : index + 2]
        held = (confidence > low) & (confidence <= high)
        if held.any():
            error += held.mean() * abs(correct[held].mean() - confidence[held].mean())
    return error


@pytest.mark.parametrize("n", [2, 10, 50, 500])
@pytest.mark.parametrize("confidence", [0.9, 0.8, 0.7, 0.95, 0.37])
def test_calibration_error_of_answers_that_are_all_alike_has_no_interval(confidence: float, n: int) -> None:
    """A mean of equal numbers is rounded, so that they seem to vary."""
    estimate = expected_calibration_error(np.full(n, confidence), np.ones(n, dtype=bool))
    assert (estimate.low, estimate.high) == (None, None) and "have the same value" in estimate.reason


def test_calibration_error_by_hand() -> None:
    # Two bins: (0, 0.5] holds 0.2 and 0.5, mean 0.35, accuracy 1/2; (0.5, 1] holds 0.9, accuracy 0.
    estimate = expected_calibration_error(np.array([0.2, 0.5, 0.9]), np.array([True, False, False]), bins=2)
    assert estimate.value == pytest.approx(2 / 3 * 0.15 + 1 / 3 * 0.9)
    assert estimate.n == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_agrees_with_the_formula(dtype: type, bins: int) -> None:
    generator = np.random.default_rng(2)
    confidence: NDArray[Any] = generator.beta(4, 2, 2000).astype(dtype)
    confidence[:30] = np.linspace(0, 1, bins + 1)[generator.integers(1, bins + 1, 30)]
    correct = generator.random(2000) < confidence**2
    estimate = expected_calibration_error(confidence, correct, bins=bins)
    reference = literal_calibration_error(confidence.astype(np.float64), correct, bins)
    assert estimate.value == pytest.approx(reference, abs=1e-12)


def test_an_edge_belongs_to_the_bin_below_and_zero_to_the_first() -> None:
    # With [lo, hi) bins 0.5 would share a bin with 0.9 and the errors would cancel to 0.2.
    confidence, correct = np.array([0.5, 0.9]), np.array([True, False])
    assert expected_calibration_error(confidence, correct, bins=2).value == pytest.approx(0.5 * 0.5 + 0.5 * 0.9)
    assert expected_calibration_error(np.array([0.0]), np.array([True]), bins=2).value == 1.0


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 20))
def test_sure_and_right_is_calibrated(n: int, bins: int) -> None:
    ones = np.ones(n)
    for found, value in ((ones > 0, 0.0), (ones < 0, 1.0)):
        estimate = expected_calibration_error(ones, found, bins=bins)
        assert (estimate.value, estimate.low, estimate.high, estimate.n) == (value, None, None, n)
        assert ("1 sample is too few" if n == 1 else "all samples have the same value") in estimate.reason


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_calibration_error_laws(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    confidence, correct = generator.random(n), generator.random(n) < 0.5
    estimate = expected_calibration_error(confidence, correct)
    if estimate.low is None or estimate.high is None:
        assert estimate.reason
    else:
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1 and estimate.low < estimate.high
    assert abs(correct.mean() - confidence.mean()) - 1e-12 <= estimate.value <= 1
    order = generator.permutation(n)
    assert expected_calibration_error(confidence[order], correct[order]) == estimate


def test_an_interval_of_the_calibration_error_holds_the_truth() -> None:
    """Of 5,000 answers with a gap of 10 points everywhere: the error is 10 points."""
    generator = np.random.default_rng(6)
    held = 0
    for _ in range(200):
        confidence = generator.uniform(0.2, 1, 5000)
        estimate = expected_calibration_error(confidence, generator.random(5000) < confidence - 0.1)
        assert estimate.low is not None and estimate.high is not None
        held += estimate.low <= 0.1 <= estimate.high
    assert held / 200 == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize("n", [50, 5000])
def test_a_calibrated_model_has_no_interval_since_chance_made_its_error(n: int) -> None:
    generator = np.random.default_rng(7)
    confidence = generator.random(n)
    estimate = expected_calibration_error(confidence, generator.random(n) < confidence)
    assert estimate.value > 0 and estimate.low is None
    assert estimate.reason.startswith(f"with {n:,} samples in 15 bins, chance alone may explain ")


@pytest.mark.parametrize("value", [-0.1, 1.5, 87.0])
def test_a_confidence_is_a_probability(value: float) -> None:
    with pytest.raises(ValueError, match=rf"confidence\[1\] is {value}"):
        expected_calibration_error(np.array([0.5, value]), np.array([True, True]))


def test_a_rounding_error_above_one_is_one() -> None:
    confidence = np.array([np.nextafter(np.float32(1), np.float32(2))])
    assert expected_calibration_error(confidence, np.array([True])).value == 0.0


def test_calibration_needs_a_bin() -> None:
    with pytest.raises(ValueError, match="at least one bin"):
        expected_calibration_error(np.array([0.5]), np.array([True]), bins=0)


def test_per_class_by_hand() -> None:
    rows = per_class(np.array([[0], [0], [1], [3]]), np.array([0, 0, 0, 1]), 5)
    low, high = binomtest(2, 3).proportion_ci(0.95, method="wilson")
    assert rows[0].low == pytest.approx(low) and rows[0].high == pytest.approx(high)
    assert dataclasses.replace(rows[0], low=None, high=None) == ClassRow(0, 3, 2 / 3, 1.0, 0.8, None, None)
    assert (rows[1].n, rows[1].recall, rows[1].precision, rows[1].f1) == (1, 0.0, 0.0, 0.0)
    assert rows[2] == ClassRow(2, 0, None, None, None, None, None)
    assert rows[3] == ClassRow(3, 0, None, 0.0, 0.0, None, None)
    assert len(rows) == 5


def test_per_class_agrees_with_sklearn() -> None:
    predicted, labels = random_case()
    rows = per_class(predicted[:, None], labels, 12)
    reference = precision_recall_fscore_support(labels, predicted, labels=range(12), zero_division=0.0)
    for name, column in zip(("precision", "recall", "f1", "n"), reference, strict=True):
        assert [getattr(row, name) or 0 for row in rows] == pytest.approx(column)
    assert rows[11].recall is None and rows[10].precision is None
    assert all(row.recall is not None and row.precision is not None for row in rows[:10])
