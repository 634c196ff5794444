"""Computes metrics of single-label classification: accuracy, recall, calibration error.

The classification task uses it. The leaderboard takes the bins of its reliability curve from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import ALIKE, CONFIDENCE, FLAT, Estimate
from vlmbench.metrics.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    class_indices,
    flags,
    real_scores,
    same_length,
)
from vlmbench.metrics.intervals import SortedStatistic, Weights, wilson
from vlmbench.metrics.strata import mean_of_proportions

ECE_BINS = 15  # Guo et al. 2017, section 5

# A softmax in float32 may end a rounding error above 1.
CONFIDENCE_SLACK = 1e-6


@dataclass(frozen=True)
class ClassRow:
    """One class in a per-class table. Values are fractions in [0, 1].

    Args:
        index: the class.
        n: the number of its samples.
        recall: None if the class has no sample.
        precision: None if the class was never predicted.
        f1: 2 TP / (2 TP + FP + FN); None if the class has no sample and was never predicted.
        low: the lower end of the recall's 95% Wilson interval; None if recall is None.
        high: the upper end of that interval.
    """

    index: int
    n: int
    recall: float | None
    precision: float | None
    f1: float | None
    low: float | None
    high: float | None


def top_k_accuracy(top_indices: IntArray, labels: IntArray, k: int) -> Estimate:
    """The share of samples whose label is among the k classes with the highest scores, with Wilson's interval.

    Args:
        top_indices: (N, K) classes, best first.
        labels: (N,) true classes.
        k: from 1 to K.

    Raises:
        ValueError: no samples, lengths that differ, a negative index, or k outside [1, K].

    >>> top_k_accuracy(np.array([[0, 1], [2, 0], [1, 2], [0, 2]]), np.array([0, 0, 0, 2]), k=2).value
    0.75
    """
    top = class_indices(top_indices, "top_indices", ndim=2)
    truth = class_indices(labels, "labels")
    n = same_length(top_indices=top, labels=truth)
    if not 1 <= k <= top.shape[1]:
        raise ValueError(f"top-{k} accuracy needs 1 <= k <= {top.shape[1]}, the columns of top_indices")
    hits = int((top[:, :k] == truth[:, None]).any(axis=1).sum())
    low, high = wilson(hits, n)
    return Estimate(value=hits / n, low=low, high=high, n=n)


def mean_per_class_recall(predicted: IntArray, labels: IntArray) -> Estimate:
    """Recall averaged over the classes that have samples (balanced accuracy).

    The interval is for the mean recall of the same classes on unlimited samples, with the number of samples of each
    class fixed: see :func:`vlmbench.metrics.strata.mean_of_proportions`. Equals
    `sklearn.metrics.balanced_accuracy_score`, and `mean_per_class_recall` in LAION-AI/CLIP_benchmark
    `clip_benchmark/metrics/zeroshot_classification.py`.

    Args:
        predicted: (N,) predicted classes.
        labels: (N,) true classes.

    Raises:
        ValueError: no samples, lengths that differ, or a negative index.

    >>> mean_per_class_recall(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 2])).value
    0.5
    """
    statistic = mean_per_class_recall_statistic(predicted, labels)
    value = float(statistic(np.ones((1, len(labels)), dtype=np.int32))[0])
    trials = np.bincount(labels)
    hits = np.bincount(labels[predicted == labels], minlength=len(trials))
    low, high = mean_of_proportions(hits[trials > 0], trials[trials > 0])
    return Estimate(value, min(low, value), max(high, value), len(labels))


def mean_per_class_recall_statistic(predicted: IntArray, labels: IntArray) -> SortedStatistic:
    """`mean_per_class_recall` for any weights of the samples."""
    guess = class_indices(predicted, "predicted")
    truth = class_indices(labels, "labels")
    same_length(predicted=guess, labels=truth)
    classes, dense = np.unique(truth, return_inverse=True)
    # Samples with one class and one outcome form a cell. After sorting, each cell is a run of columns.
    cell = 2 * dense + (guess == truth)
    order = np.argsort(cell, kind="stable")
    cells, starts = np.unique(cell[order], return_index=True)

    def recall(weights: Weights) -> NDArray[np.float64]:
        counts = np.zeros((len(weights), 2 * len(classes)), dtype=np.int32)
        counts[:, cells] = np.add.reduceat(weights, starts, axis=1, dtype=np.int32)
        wrong, right = counts[:, 0::2], counts[:, 1::2]
        drawn = wrong + right
        mean: NDArray[np.float64] = (right / np.maximum(drawn, 1)).sum(axis=1) / (drawn > 0).sum(axis=1)
        return mean

    return SortedStatistic(order, recall)


def expected_calibration_error(confidence: FloatArray, correct: BoolArray, *, bins: int = ECE_BINS) -> Estimate:
    """The gap between confidence and accuracy in equal-width bins, weighted by samples.

    Bin m of M holds the confidences in ((m - 1) / M, m / M]. A confidence of 0 goes to the first bin. Lower is
    better.

    The interval is for the same error on unlimited samples. Chance alone makes gaps, so the value is biased upwards,
    most of all for a calibrated model. The bias is that of a folded normal distribution in each bin, and it is
    subtracted from the interval. There is no interval if the bias could exceed the standard error: that is checked with
    every gap smaller by its own standard error. Then most of the value may be chance.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equations 2, 3 and 5; J. Bröcker,
    "Estimating reliability and resolution of probability forecasts through decomposition of the empirical score",
    Climate Dynamics 39 (2012), for the bias.

    Args:
        confidence: (N,) probability of the predicted class, in [0, 1].
        correct: (N,) whether the prediction was right.
        bins: M.

    Raises:
        ValueError: no samples, lengths that differ, bins below 1, or a confidence outside [0, 1].

    >>> estimate = expected_calibration_error(np.array([0.9, 0.9, 0.6]), np.array([True, False, True]))
    >>> round(estimate.value, 6)
    0.4
    """
    statistic = calibration_error_statistic(confidence, correct, bins=bins)
    n = len(statistic.order)
    value = float(statistic(np.ones((1, n), dtype=np.int32))[0])
    certainty = np.minimum(np.asarray(confidence, dtype=np.float64), 1.0)
    place = confidence_bins(certainty, bins)
    gap: NDArray[np.float64] = flags(correct, "correct") - certainty
    found = _calibration_interval(value, place, gap, bins) if n > 1 else "1 sample is too few"
    if isinstance(found, str):
        return Estimate(value, None, None, n, found)
    return Estimate(value, *found, n)


def _calibration_interval(
    value: float, place: NDArray[np.int64], gap: NDArray[np.float64], bins: int
) -> tuple[float, float] | str:
    from scipy.special import stdtrit

    n = len(gap)
    sums = np.bincount(place, gap, minlength=bins)
    squares = np.bincount(place, gap * gap, minlength=bins)
    errors = np.sqrt(np.maximum(squares / n - (sums / n) ** 2, 0) / (n - 1))
    error = float(np.std(np.sign(sums)[place] * gap, ddof=1)) / math.sqrt(n)
    sizes = np.abs(sums) / n
    most = _folded_bias(np.maximum(sizes - errors, 0), errors)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    bias = _folded_bias(sizes, errors)
    if error < FLAT:
        return ALIKE.format(units="samples")
    if most > error or bias > half:
        return f"with {n:,} samples in {bins} bins, chance alone may explain {100 * most:.1f} points"
    return max(0.0, value - bias - half), min(1.0, value - bias + half)


def _folded_bias(mean: NDArray[np.float64], error: NDArray[np.float64]) -> float:
    """The bias of the sum of absolute values of normal variables: sum of E|X| - |E X|."""
    from scipy.special import ndtr

    ratio = np.divide(mean, error, out=np.full(len(mean), np.inf), where=error > 0)
    size = error * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2) + mean * (1 - 2 * ndtr(-ratio))
    return float((size - mean).sum())


def calibration_error_statistic(confidence: FloatArray, correct: BoolArray, *, bins: int = ECE_BINS) -> SortedStatistic:
    """`expected_calibration_error` for any weights of the samples."""
    certainty = real_scores(confidence, "confidence")
    right = flags(correct, "correct")
    n = same_length(confidence=certainty, correct=right)
    if bins < 1:
        raise ValueError(f"calibration error needs at least one bin, got {bins}")
    outside = (certainty < 0) | (certainty > 1 + CONFIDENCE_SLACK)
    if outside.any():
        first = int(outside.argmax())
        raise ValueError(f"confidence[{first}] is {certainty[first]}; it must be a probability in [0, 1]")
    certainty = np.minimum(certainty, 1.0)
    bin_index = confidence_bins(certainty, bins)
    gap = right - certainty
    order = np.lexsort((gap, bin_index))
    gap = gap[order]
    starts = np.unique(bin_index[order], return_index=True)[1]
    stops = np.append(starts[1:], n)

    def calibration_error(weights: Weights) -> NDArray[np.float64]:
        total = np.zeros(len(weights))
        for start, stop in zip(starts, stops, strict=True):
            total += np.abs(weights[:, start:stop] @ gap[start:stop])
        return total / n

    return SortedStatistic(order, calibration_error)


def confidence_bins(confidence: FloatArray, bins: int = ECE_BINS) -> NDArray[np.int64]:
    """The bin of equal width of each confidence: bin m is (m / M, (m + 1) / M], and 0 goes to the first.

    Args:
        confidence: (N,) in [0, 1].
        bins: M.

    >>> confidence_bins(np.array([0.0, 0.5, 0.51, 1.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    return np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)


def per_class(top_indices: IntArray, labels: IntArray, num_classes: int) -> list[ClassRow]:
    """Recall (with Wilson's interval), precision and F1 of each class, for top-1 predictions.

    Args:
        top_indices: (N, K) classes, best first; only the first column is used.
        labels: (N,) true classes.
        num_classes: the number of rows.

    Returns:
        One row for each class, in order, including classes without samples.

    Raises:
        ValueError: no samples, lengths that differ, or an index outside [0, num_classes).
    """
    guess = class_indices(top_indices, "top_indices", num_classes=num_classes, ndim=2)[:, 0]
    truth = class_indices(labels, "labels", num_classes=num_classes)
    same_length(top_indices=guess, labels=truth)
    # Not from the confusion matrix: its size is quadratic in the classes.
    support = np.bincount(truth, minlength=num_classes).tolist()
    predicted = np.bincount(guess, minlength=num_classes).tolist()
    hits = np.bincount(truth[guess == truth], minlength=num_classes).tolist()
    return [_class_row(index, *counts) for index, counts in enumerate(zip(support, predicted, hits, strict=True))]


def _class_row(index: int, support: int, predicted: int, hits: int) -> ClassRow:
    low, high = wilson(hits, support) if support else (None, None)
    return ClassRow(
        index=index,
        n=support,
        recall=hits / support if support else None,
        precision=hits / predicted if predicted else None,
        f1=2 * hits / (support + predicted) if support + predicted else None,
        low=low,
        high=high,
    )
