"""Confidence intervals: Wilson's for proportions, the percentile bootstrap over samples for the rest.

A bootstrapped metric is written once, as a function of how often each sample was drawn: all ones give its
value, multinomial counts a resample. Draws come in blocks, so that memory does not grow with the resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE, RESAMPLES, Estimate

Weights: TypeAlias = NDArray[np.int32]
"""(B, n): how often each of n samples was drawn in each of B resamples; each row sums to n."""

WeightedStatistic: TypeAlias = Callable[[Weights], NDArray[np.float64]]
"""(B, n) weights to (B,) values, nan where the metric is undefined on a resample."""

WeightedStatistics: TypeAlias = Callable[[Weights], NDArray[np.float64]]
"""(B, n) weights to (B, C) values of C statistics that share work, nan where one is undefined."""


@dataclass(frozen=True)
class SortedStatistic:
    """A weighted statistic of samples that are sorted so that alike ones lie side by side.

    Called, it takes the weights of the samples as they came. Draws do not tell one sample from another: alone, a model
    may as well be given those of the sorted ones, which spares the sorting; two models on the same draws may not.

    Attributes:
        order: (n,) the sample in each place.
        of_sorted: the statistic of weights in that order.
    """

    order: NDArray[np.intp]
    of_sorted: WeightedStatistic

    def __call__(self, weights: Weights) -> NDArray[np.float64]:
        """(B, n) weights of the samples as they came to (B,) values."""
        return self.of_sorted(weights[:, self.order])


# Statistics gather a block a few times over: one that fits the cache takes half the time of a 32 MiB one.
BLOCK_BYTES = 2**20


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a proportion of n trials, without continuity correction.

    Unlike the normal approximation it stays inside [0, 1] and keeps its width at 0 % and 100 %.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927).

    Raises:
        ValueError: n is below 1, successes lie outside [0, n], or confidence outside (0, 1).

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    _check_confidence(confidence)
    if n < 1:
        raise ValueError(f"a proportion needs at least one sample, got n = {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    proportion = successes / n
    scale = 1 + z * z / n
    centre = (proportion + z * z / (2 * n)) / scale
    margin = z / scale * math.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n))
    # Exact at the ends, where rounding would leave 1e-17 or 1 - 1e-16.
    low = 0.0 if successes == 0 else centre - margin
    high = 1.0 if successes == n else centre + margin
    return low, high


def bootstrap_interval(
    statistic: WeightedStatistic,
    n: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """The percentile bootstrap interval of a weighted statistic, resampling n samples with replacement.

    The same seed, n and resamples draw the same counts, whatever the statistic and the block size. Memory is
    a few times `BLOCK_BYTES`, or a few rows of n where one row is larger.

    Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3.

    Returns:
        (low, high) over the resamples on which the statistic is defined; None where there are none.

    Raises:
        ValueError: n is below 1, resamples are below 0, or confidence lies outside (0, 1).
    """
    (interval,) = bootstrap_intervals(
        lambda weights: statistic(weights)[:, None], n, 1, seed=seed, resamples=resamples, confidence=confidence
    )
    return interval


def bootstrap_intervals(
    statistics: WeightedStatistics,
    n: int,
    count: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    rows: int | None = None,
) -> list[tuple[float, float] | None]:
    """As :func:`bootstrap_interval`, for the several statistics of :func:`resampled`."""
    _check_confidence(confidence)
    values = resampled(statistics, n, count, seed=seed, resamples=resamples, rows=rows)
    return [_percentiles(column, confidence) for column in values.T]


def resampled(
    statistics: WeightedStatistics,
    n: int,
    count: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    rows: int | None = None,
) -> NDArray[np.float64]:
    """Statistics on resamples of n samples, drawn with replacement.

    The same seed, n and resamples draw the same counts, whatever the statistics and the block size.

    Args:
        statistics: maps (B, n) counts to (B, count) values, nan where one is undefined.
        n: the number of samples.
        count: how many statistics there are.
        rows: resamples a block; None: as many as fit into `BLOCK_BYTES`.

    Returns:
        (resamples, count).

    Raises:
        ValueError: n is below 1, or resamples are below 0.
    """
    if n < 1 or resamples < 0:
        raise ValueError(f"cannot draw {resamples} resamples of {n} samples")
    generator = np.random.default_rng(seed)
    rows = rows or max(1, BLOCK_BYTES // (n * np.dtype(np.int32).itemsize))
    values = np.empty((resamples, count), dtype=np.float64)
    block = np.empty((min(rows, resamples), n), dtype=np.int32)
    for start in range(0, resamples, rows):
        weights = block[: min(rows, resamples - start)]
        for row in weights:
            row[:] = np.bincount(generator.integers(0, n, size=n), minlength=n)
        values[start : start + len(weights)] = statistics(weights)
    return values


def _percentiles(values: NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    defined = values[~np.isnan(values)]
    if defined.size == 0:
        return None
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_estimate(statistic: WeightedStatistic, n: int, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The value of a weighted statistic (every sample drawn once) with its 95 % bootstrap interval.

    Where the value is nan or `resamples` is 0 there is no interval. A percentile interval need not hold the
    value: resampling biases some statistics, such as the calibration error.

    Raises:
        ValueError: as `bootstrap_interval`.
    """
    value = float(statistic(np.ones((1, n), dtype=np.int32))[0])
    interval = None if math.isnan(value) else bootstrap_interval(statistic, n, seed=seed, resamples=resamples)
    low, high = interval or (None, None)
    return Estimate(value=value, low=low, high=high, n=n)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
