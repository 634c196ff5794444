"""Computes H, the harmonic mean of the accuracy on learnt (base) and on new classes, with its interval.

Classification uses it in the setting base-to-new, and the table ``base-to-new`` for averages over tasks.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.intervals import WeightedStatistic, Weights, wilson

HARMONIC, BASE, NEW = "h_acc1", "base_acc1", "new_acc1"
"""The metrics of a record in the setting base-to-new, both halves among their own classes."""
METRICS = (HARMONIC, BASE, NEW)
Interval = tuple[float, float]


def harmonic_mean(first: float, second: float) -> float:
    """H of two accuracies; 0 if both are 0, which H approaches there, since it is at most twice the smaller one.

    >>> round(harmonic_mean(0.8, 0.6), 4), harmonic_mean(0.0, 0.0)
    (0.6857, 0.0)
    """
    return 2 * first * second / (first + second) if first + second else 0.0


def harmonic_interval(first: float, of_first: Interval, second: float, of_second: Interval) -> Interval:
    """The 95 % interval of H from those of two independent accuracies.

    Each end of H is as far from H as the two ends of the accuracies move it, squared and added. Source: G. Y. Zou, A.
    Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in Medicine 27
    (2008), for sums. H is not a sum; ``tests/metrics/test_harmonic.py`` counts how often the interval covers it: 91 to
    99 % of data sets, with 20 to 1,000 samples in each half. An H of 0 has H of both upper ends as its upper end, since
    it may stay 0 if one accuracy alone moves.

    >>> [round(end, 3) for end in harmonic_interval(0.8, (0.7, 0.9), 0.6, (0.5, 0.7))]
    [0.605, 0.756]
    """
    centre = harmonic_mean(first, second)
    low = math.hypot(
        centre - harmonic_mean(of_first[0], second),
        centre - harmonic_mean(first, of_second[0]),
    )
    high = math.hypot(
        harmonic_mean(of_first[1], second) - centre,
        harmonic_mean(first, of_second[1]) - centre,
    )
    top = harmonic_mean(of_first[1], of_second[1])
    return max(0.0, centre - low), top if centre == 0 else min(top, centre + high)


def harmonic_accuracy(right: NDArray[np.bool_], is_new: NDArray[np.bool_]) -> Estimate:
    """H of the shares of right answers among samples of base and of new classes.

    Args:
        right: (N,) whether each answer, among the classes of the sample's own half, is right.
        is_new: (N,) whether each sample's class is new.

    Raises:
        ValueError: one half has no sample.

    >>> harmonic_accuracy(np.array([True, True, True, False]), np.array([False, False, True, True])).value
    0.6666666666666666
    """
    counts = [(int(right[half].sum()), int(half.sum())) for half in (~is_new, is_new)]
    if not all(trials for _, trials in counts):
        raise ValueError("H needs samples of base and of new classes")
    (base, of_base), (new, of_new) = ((hits / trials, wilson(hits, trials)) for hits, trials in counts)
    low, high = harmonic_interval(base, of_base, new, of_new)
    return Estimate(harmonic_mean(base, new), low, high, len(right))


def share_statistic(right: NDArray[np.bool_], half: NDArray[np.bool_]) -> WeightedStatistic:
    """The share of right answers in one half of the samples, for any weights; nan if none of the half counts."""
    places = np.flatnonzero(half)
    hits = right[places].astype(np.float64)

    def share(weights: Weights) -> NDArray[np.float64]:
        own = weights[:, places]
        counted = own.sum(axis=1, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            found: NDArray[np.float64] = (own @ hits) / counted
        return found

    return share


def harmonic_statistic(right: NDArray[np.bool_], is_new: NDArray[np.bool_]) -> WeightedStatistic:
    """:func:`harmonic_accuracy` for any weights of the samples."""
    of_base, of_new = share_statistic(right, ~is_new), share_statistic(right, is_new)

    def harmonic(weights: Weights) -> NDArray[np.float64]:
        base, new = of_base(weights), of_new(weights)
        total = base + new
        found: NDArray[np.float64] = np.where(total == 0, 0.0, 2 * base * new / np.where(total == 0, 1.0, total))
        return found

    return harmonic
