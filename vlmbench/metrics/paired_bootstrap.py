"""Computes the bootstrap of a difference: both models are evaluated on the same draws of the samples.

The gate uses it, for metrics that are not shares of right answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE, RESAMPLES
from vlmbench.metrics.difference import Difference, least_p, student_tail
from vlmbench.metrics.inputs import BoolArray
from vlmbench.metrics.intervals import BLOCK_BYTES, WeightedStatistic, WeightedStatistics, Weights, resampled

UNSEEN = 0.05
"""If no sample differs, the share of differing samples is bounded by about 3 / n (the rule of three): a larger share
would have shown a differing sample with a probability of 1 - UNSEEN."""
LEFT_OUT = 256
"""The most samples that are left out in turn to measure how much each of them counts."""
UNTRIED = 5.0
"""The assumed effective number of samples of a statistic if no sample of it was left out, because so few differ."""


def bootstrap_difference(
    baseline: WeightedStatistic,
    candidate: WeightedStatistic,
    n: int,
    *,
    differing: BoolArray,
    largest: float = 1.0,
    identical: bool = False,
    seed: int = 0,
    resamples: int = RESAMPLES,
    rows: int | None = None,
) -> Difference:
    """The difference of any metric of two models, both evaluated on the same draws of the samples.

    The standard error is the spread of the resampled differences. Interval and p-values come from Student's
    distribution around the difference, so that they agree with each other. Quantiles of the resamples are not used:
    they would take a handful of samples for evidence. A few samples that all change in the same way have no spread;
    :func:`least_p` bounds their p-value.

    The degrees of freedom are the number of differing samples minus one. If some samples count more than others, such
    as those of small classes in a mean over classes, or those with large objects in an IoU, the effective number
    replaces the number: (sum c²)² / sum c⁴, where c is a sample's share of the difference, found by leaving the sample
    out (F. E. Satterthwaite, Biometrics Bulletin 2 (1946), for sums of variances). If no sample differs, there is no
    spread, and the interval is the rule of three (:data:`UNSEEN`) times ``largest``.

    Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), sections 6.2, 11.2 and 12.2.

    Args:
        baseline: maps (B, n) counts to (B,) values; nan if the metric is undefined.
        candidate: the same, with its samples in the same order.
        n: the number of samples.
        differing: (n,) whether the two answers differ.
        largest, identical: see :class:`Difference`.
        resamples: 2 or more.
        rows: the resamples in a block; None: as many as fit into the cache.

    Raises:
        ValueError: n is below 1, resamples below 2, differing is of another length, or one of the two values is
            undefined.
    """
    (difference,) = bootstrap_differences(
        lambda weights: baseline(weights)[:, None],
        lambda weights: candidate(weights)[:, None],
        n,
        differing=np.asarray(differing)[:, None],
        largest=largest,
        identical=identical,
        seed=seed,
        resamples=resamples,
        rows=rows,
    )
    if difference is None:
        raise ValueError("the metric is undefined on these samples, so it has no difference")
    return difference


def bootstrap_differences(
    baseline: WeightedStatistics,
    candidate: WeightedStatistics,
    n: int,
    *,
    differing: BoolArray,
    sizes: Sequence[int] | None = None,
    largest: float = 1.0,
    identical: bool = False,
    seed: int = 0,
    resamples: int = RESAMPLES,
    rows: int | None = None,
) -> list[Difference | None]:
    """As :func:`bootstrap_difference`, for C statistics on the same draws, such as one for each class.

    Args:
        baseline: maps (B, n) counts to (B, C) values; nan for those that are undefined.
        candidate: the same.
        differing: (n, C) whether the two answers differ in a way that can change each statistic.
        sizes: C, the number of samples that each statistic depends on, such as those of a class; None: all n.

    Returns:
        C differences; None for a statistic that is undefined for one of the two models.
    """
    if resamples < 2:
        raise ValueError(f"the spread of a difference needs two resamples or more, got {resamples}")
    if len(differing) != n:
        raise ValueError(f"differing has {len(differing)} rows for {n} samples")
    count = differing.shape[1]
    rows = rows or max(1, BLOCK_BYTES // (n * np.dtype(np.int32).itemsize))

    def both(weights: Weights) -> NDArray[np.float64]:
        return np.concatenate([baseline(weights), candidate(weights)], axis=1)

    values = both(np.ones((1, n), dtype=np.int32))[0]
    before, after = values[:count], values[count:]
    numbers = differing.sum(axis=0)
    spread, weighty = np.zeros(count), numbers.astype(np.float64)
    if not identical and numbers.any():
        drawn = resampled(both, n, 2 * count, seed=seed, resamples=resamples, rows=rows)
        spread = _spread(drawn[:, count:] - drawn[:, :count])
        if n > 1:
            weighty = _weighty(both, after - before, differing, seed, rows)
    return [
        None
        if np.isnan(before[place]) or np.isnan(after[place])
        else _by_spread(
            float(before[place]),
            float(after[place]),
            float(spread[place]),
            degrees=max(float(weighty[place]) - 1, 1.0),
            n=n if sizes is None else int(sizes[place]),
            differing=int(numbers[place]),
            largest=largest,
            identical=identical,
        )
        for place in range(count)
    ]


def _by_spread(
    before: float,
    after: float,
    sd: float,
    *,
    degrees: float,
    n: int,
    differing: int,
    largest: float,
    identical: bool,
) -> Difference:
    from scipy.special import ndtri, stdtrit

    value = after - before
    share = (1 + CONFIDENCE) / 2
    p_value = 1.0
    interval: tuple[float, float] | None
    if n == 1 or math.isnan(sd):  # with one sample, all draws are equal
        sd, interval = math.nan, None
    elif identical:
        interval = (0.0, 0.0)
    elif sd > 0:
        half = float(stdtrit(degrees, share)) * sd
        interval = value - half, value + half
    else:  # all draws have the same difference
        half = largest * (1 - UNSEEN ** (1 / n))
        interval, sd, degrees = (value - half, value + half), half / float(ndtri(share)), math.inf
    if interval is not None and not identical:
        p_value = max(2 * student_tail(abs(value), sd, degrees), least_p(differing))
        low, high = interval
        if p_value > 1 - CONFIDENCE:
            low, high = min(low, 0.0), max(high, 0.0)
        # With a handful of samples, Student's interval is wider than the metric's range.
        interval = max(low, min(value, -largest)), min(high, max(value, largest))
    return Difference(
        baseline=before,
        candidate=after,
        value=value,
        ci95=interval,
        p_value=min(1.0, p_value),
        n=n,
        differing=differing,
        error=sd,
        method="bootstrap",
        degrees=degrees,
        largest=largest,
        identical=identical,
    )


def _spread(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, C) to (C,) standard deviations over the draws with a defined difference; nan for fewer than two draws."""
    defined = ~np.isnan(differences)
    counts = defined.sum(axis=0)
    # Around the first draw, so that equal draws have a spread of exactly 0.
    centred = np.where(defined, differences - np.nan_to_num(differences[:1]), 0.0)
    mean = centred.sum(axis=0) / np.maximum(counts, 1)
    squares = (np.where(defined, centred - mean, 0.0) ** 2).sum(axis=0)
    return np.where(counts > 1, np.sqrt(squares / np.maximum(counts - 1, 1)), np.nan)


def _weighty(
    both: WeightedStatistics, value: NDArray[np.float64], differing: BoolArray, seed: int, rows: int
) -> NDArray[np.float64]:
    """(C,) the effective number of differing samples, as if they had equal weight; at most the number that differs.

    Args:
        both: (B, n) counts to (B, 2 C), the baseline's values first.
        value: (C,) the differences.
        differing: (n, C).
        seed: seeds the choice of the samples that are left out.
        rows: how many samples are left out in a block.
    """
    n, count = differing.shape
    chosen = np.flatnonzero(differing.any(axis=1))
    if len(chosen) > LEFT_OUT:
        chosen = np.random.default_rng(seed).choice(chosen, LEFT_OUT, replace=False)
    shares = np.empty((len(chosen), count))
    for start in range(0, len(chosen), rows):
        part = chosen[start : start + rows]
        weights = np.ones((len(part), n), dtype=np.int32)
        weights[np.arange(len(part)), part] = 0
        without = both(weights)
        shares[start : start + len(part)] = without[:, count:] - without[:, :count] - value
    shares = np.where(
        differing[chosen], np.nan_to_num(shares), 0.0
    )  # nan: without this sample the statistic is undefined
    squares, fourths = (shares**2).sum(axis=0), (shares**4).sum(axis=0)
    numbers, tried = differing.sum(axis=0), differing[chosen].sum(axis=0)
    weighty = numbers.astype(np.float64)
    told = fourths > 0
    weighty[told] = np.minimum(numbers[told], numbers[told] / tried[told] * squares[told] ** 2 / fourths[told])
    weighty[tried == 0] = np.minimum(weighty[tried == 0], UNTRIED)
    return np.asarray(weighty)
