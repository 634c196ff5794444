"""Computes Wilson's interval of a proportion, and defines metrics as functions of the samples' weights.

All metrics use it. A sample's weight is how often it counts. A metric of weights is written once: weights of 1 give its
value, weights of 0 leave samples out (:mod:`vlmbench.metrics.jackknife`), and multinomial counts are a resample
(:mod:`vlmbench.metrics.paired_bootstrap`). Weights come in blocks of B rows, so that memory does not grow with their
number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE, RESAMPLES

Weights: TypeAlias = NDArray[np.int32]
"""(B, n): the weights of n samples, B times."""

WeightedStatistic: TypeAlias = Callable[[Weights], NDArray[np.float64]]
"""(B, n) weights to (B,) values; nan if the metric is undefined for these weights."""

WeightedStatistics: TypeAlias = Callable[[Weights], NDArray[np.float64]]
"""(B, n) weights to (B, C) values of C statistics that share work; nan for those that are undefined."""


@dataclass(frozen=True)
class SortedStatistic:
    """A weighted statistic of sorted samples: equal ones are neighbours.

    A call takes the weights in the samples' original order.

    Attributes:
        order: (n,) the original index of each sorted sample.
        of_sorted: the statistic of weights in sorted order.
    """

    order: NDArray[np.intp]
    of_sorted: WeightedStatistic

    def __call__(self, weights: Weights) -> NDArray[np.float64]:
        """(B, n) weights in the original order to (B,) values."""
        return self.of_sorted(weights[:, self.order])


# Statistics read a block several times. A block that fits the processor's cache takes half the time of one of 32 MiB.
BLOCK_BYTES = 2**20


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a proportion of n trials, without continuity correction.

    Unlike the normal approximation, it stays inside [0, 1] and has a width at 0% and 100%.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927).

    Raises:
        ValueError: n is below 1, successes lie outside [0, n], or confidence outside (0, 1).

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if n < 1:
        raise ValueError(f"a proportion needs at least one sample, got n = {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie between 0 and n = {n}, got {successes}")
    return effective_wilson(successes / n, n, NormalDist().inv_cdf((1 + confidence) / 2))


def effective_wilson(proportion: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a proportion that is as uncertain as that of n independent trials.

    n need not be whole: for clusters or strata it is the effective number of trials.

    Args:
        proportion: in [0, 1].
        n: above 0.
        quantile: the number of standard errors on each side.
    """
    scale = 1 + quantile * quantile / n
    centre = (proportion + quantile * quantile / (2 * n)) / scale
    spread = proportion * (1 - proportion) / n + quantile * quantile / (4 * n * n)
    margin = quantile / scale * math.sqrt(spread)
    # Exact at 0 and 1, where rounding would give 1e-17 or 1 - 1e-16.
    low = 0.0 if proportion == 0 else max(0.0, min(centre - margin, proportion))
    high = 1.0 if proportion == 1 else min(1.0, max(centre + margin, proportion))
    return low, high


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

    The same seed, n and resamples give the same draws, for any statistics and block size.

    Args:
        statistics: maps (B, n) counts to (B, count) values; nan for those that are undefined.
        n: the number of samples.
        count: the number of statistics.
        rows: the resamples in a block; None: as many as fit into `BLOCK_BYTES`.

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
