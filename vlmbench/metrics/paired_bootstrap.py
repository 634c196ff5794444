"""The bootstrap of a difference: both models on the same draws of the samples."""

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
"""Where no sample differs, the share of samples that does is bounded so that a larger one would have shown itself with
a chance of 1 - UNSEEN: at most about 3 / n (the rule of three)."""
LEFT_OUT = 256
"""Samples that are left out in turn to see how much each counts, at most."""
UNTRIED = 5.0
"""As many samples are taken to count in a statistic of whose samples none was left out: so few of them differ."""


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

    The standard error is the spread of the resampled differences. Interval and p-values are Student's around the
    difference itself: they agree with each other, and a handful of samples is not taken for evidence, as resampled
    quantiles would take it; nor are a few that all change alike, in which there is no spread (:func:`least_p`). The
    degrees of freedom are one less than the samples that differ, or than as many as would weigh as much where some
    count for more than others: those of small classes in a mean over classes, those with large objects in an IoU. With
    shares c of the difference they are (sum c²)² / sum c⁴, c found by leaving a sample out (as F. E. Satterthwaite,
    Biometrics Bulletin 2 (1946) has it for sums of variances). Where no sample differs there is no spread, and the
    interval is bounded by the rule of three (:data:`UNSEEN`) times ``largest``.

    Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), sections 6.2, 11.2 and 12.2.

    Args:
        baseline: maps (B, n) counts to (B,) values, nan where it is undefined.
        candidate: likewise, its samples in the same order.
        n: the number of samples.
        differing: (n,) whether the two answered it differently.
        largest, identical: see :class:`Difference`.
        resamples: 2 or more.
        rows: resamples a block; None: as many as fit into the cache.

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
        raise ValueError("the metric is undefined on these samples: there is no difference to speak of")
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
    """As :func:`bootstrap_difference`, for C statistics of the same draws, as those of C classes.

    Args:
        baseline: maps (B, n) counts to (B, C) values, nan where one is undefined.
        candidate: likewise.
        differing: (n, C) whether the two answered a sample differently so far as each statistic sees.
        sizes: C, how many samples have a say in each, as those of a class; None: all n.

    Returns:
        C differences; None where a statistic is undefined in one of the two.
    """
    if resamples < 2:
        raise ValueError(f"the spread of a difference needs two resamples or more, got {resamples}")
    if len(differing) != n:
        raise ValueError(f"{len(differing)} samples are said to differ or not, of {n}")
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
    if n == 1 or math.isnan(sd):  # one sample is the same in every draw
        sd, interval = math.nan, None
    elif identical:
        interval = (0.0, 0.0)
    elif sd > 0:
        half = float(stdtrit(degrees, share)) * sd
        interval = value - half, value + half
    else:  # not a draw in which the two differ otherwise than they do here
        half = largest * (1 - UNSEEN ** (1 / n))
        interval, sd, degrees = (value - half, value + half), half / float(ndtri(share)), math.inf
    if interval is not None and not identical:
        p_value = max(2 * student_tail(abs(value), sd, degrees), least_p(differing))
        low, high = interval
        if p_value > 1 - CONFIDENCE:
            low, high = min(low, 0.0), max(high, 0.0)
        # Of a handful of samples Student's interval is wider than the metric's range.
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
    """(R, C) to (C,) standard deviations over the draws in which a difference is defined; nan of fewer than two."""
    defined = ~np.isnan(differences)
    counts = defined.sum(axis=0)
    # Around the first one, so that draws which are all alike have a spread of exactly 0.
    centred = np.where(defined, differences - np.nan_to_num(differences[:1]), 0.0)
    mean = centred.sum(axis=0) / np.maximum(counts, 1)
    squares = (np.where(defined, centred - mean, 0.0) ** 2).sum(axis=0)
    return np.where(counts > 1, np.sqrt(squares / np.maximum(counts - 1, 1)), np.nan)


def _weighty(
    both: WeightedStatistics, value: NDArray[np.float64], differing: BoolArray, seed: int, rows: int
) -> NDArray[np.float64]:
    """(C,) how many samples of equal weight would tell as much as those that differ; at most as many as differ.

    Args:
        both: (B, n) counts to (B, 2 C), the baseline's values first.
        value: (C,) the differences.
        differing: (n, C).
        seed: of the choice of those that are left out in turn.
        rows: so many at once.
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
    shares = np.where(differing[chosen], np.nan_to_num(shares), 0.0)  # nan: nothing is left without this sample
    squares, fourths = (shares**2).sum(axis=0), (shares**4).sum(axis=0)
    numbers, tried = differing.sum(axis=0), differing[chosen].sum(axis=0)
    weighty = numbers.astype(np.float64)
    told = fourths > 0
    weighty[told] = np.minimum(numbers[told], numbers[told] / tried[told] * squares[told] ** 2 / fourths[told])
    weighty[tried == 0] = np.minimum(weighty[tried == 0], UNTRIED)
    return np.asarray(weighty)
