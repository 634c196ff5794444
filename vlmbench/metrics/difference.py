"""Is one model worse than another? Tests and intervals of the difference of a metric on the very same samples.

Answers that are right or wrong in both models drop out, so that a paired test sees drops which the two models' own
intervals do not. Shares of right answers get McNemar's exact test, everything else a bootstrap that draws the same
samples for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE, RESAMPLES
from vlmbench.metrics.inputs import BoolArray, flags, same_length
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics, Weights, resampled
from vlmbench.metrics.tango import score_interval, score_statistic

UNSEEN = 0.05
"""Where no sample differs, the share of samples that does is bounded so that a larger one would have shown itself with
a chance of 1 - UNSEEN: at most about 3 / n (the rule of three)."""


@dataclass(frozen=True)
class Difference:
    """Candidate minus baseline of one metric on the same n samples, in the metric's own unit and direction.

    Attributes:
        baseline: the baseline's value.
        candidate: the candidate's.
        value: candidate - baseline.
        ci95: the difference's two-sided 95 % interval; None where a single sample, or none, could define one.
        p_value: two-sided, of no difference.
        n: how many samples (images) were paired; of a class, those that have a say in its number.
        differing: of these, how many were answered differently so far as the metric sees.
        error: the standard error of ``value``; nan without an interval.
        method: "mcnemar" for shares of right answers, else "bootstrap".
        gained: samples that turned from wrong to right; None with a bootstrap.
        lost: samples that turned from right to wrong; None with a bootstrap.
        degrees: of freedom of the error's estimate; a handful of differing samples tells little of it.
        largest: how much the metric changes, at most, if every sample's answer does.
        identical: answers and scores are the same throughout: one and the same behaviour, without any doubt.
    """

    baseline: float
    candidate: float
    value: float
    ci95: tuple[float, float] | None
    p_value: float
    n: int
    differing: int
    error: float
    method: Literal["mcnemar", "bootstrap"]
    gained: int | None = None
    lost: int | None = None
    degrees: float = math.inf
    largest: float = 1.0
    identical: bool = False

    def p_below(self, bound: float) -> float:
        """How surely the true difference is below ``bound``: the p-value, doubled to compare with a two-sided one, of
        a difference as low as this if it were ``bound``.

        At 0 it is ``p_value`` if the difference is negative. It never falls where ``bound`` does.
        """
        return self._p(bound, upwards=False)

    def p_above(self, bound: float) -> float:
        """The same of a true difference above ``bound``."""
        return self._p(bound, upwards=True)

    def detectable(self, significance: float = 0.05, power: float = 0.8) -> float:
        """The smallest true drop that a test at this significance finds with this power on such samples.

        It is taken from the standard error that was observed; and where only a few samples differ, from how many would
        have to, all in one direction, before a test can find anything.

        Raises:
            ValueError: significance or power lies outside (0, 1).
        """
        from scipy.special import gammaincinv, ndtri, stdtrit

        for name, value in (("significance", significance), ("power", power)):
            if not 0 < value < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {value}")
        if math.isnan(self.error):
            return math.inf
        quantile = ndtri if math.isinf(self.degrees) else (lambda share: stdtrit(self.degrees, share))
        by_error = float((quantile(1 - significance / 2) + ndtri(power)) * self.error)
        # So many of one direction have to turn up, and they do with this power if so many are expected (Poisson).
        fewest = _fewest_in_one_direction(self.method, significance)
        by_count = self.largest * float(gammaincinv(fewest, power)) / self.n
        return max(by_error, by_count)

    def _p(self, bound: float, *, upwards: bool) -> float:
        sign = 1 if upwards else -1
        if self.ci95 is None:
            return 1.0
        if self.identical:
            return 0.0 if sign * bound < 0 else 1.0
        if self.gained is None or self.lost is None:
            return _t_p(sign * (self.value - bound), self.error, self.degrees)
        surplus, deficit = (self.gained, self.lost) if upwards else (self.lost, self.gained)
        exact = _exact_p(surplus, deficit)
        if bound == 0:
            return exact
        score = _score_p(surplus, deficit, self.n, sign * bound)
        # More than a tolerance is harder to show than more than nothing; the score test alone may forget that.
        return max(score, exact) if sign * bound > 0 else min(score, exact)


def mcnemar_difference(baseline_right: BoolArray, candidate_right: BoolArray, *, identical: bool = False) -> Difference:
    """The difference of two shares of right answers: McNemar's exact test and Tango's score interval.

    The interval holds 0 wherever the exact test does not reject it, so that the two never contradict each other.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), with the binomial distribution itself in place of its approximation.

    Args:
        baseline_right: (n,) whether the baseline was right.
        candidate_right: (n,) whether the candidate was, of the same samples.
        identical: see :class:`Difference`.

    Raises:
        ValueError: no samples, or lengths that differ.

    >>> before, after = np.array([True] * 12 + [False] * 8), np.array([True] * 6 + [False] * 14)
    >>> difference = mcnemar_difference(before, after)
    >>> round(difference.value, 2), difference.gained, difference.lost, difference.p_value
    (-0.3, 0, 6, 0.03125)
    """
    before, after = flags(baseline_right, "baseline_right"), flags(candidate_right, "candidate_right")
    n = same_length(baseline_right=before, candidate_right=after)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    p_value = _exact_p(max(gained, lost), min(gained, lost))
    low, high = (0.0, 0.0) if identical else score_interval(gained, lost, n)
    if p_value > 1 - CONFIDENCE:
        low, high = min(low, 0.0), max(high, 0.0)
    value = (gained - lost) / n
    error = math.sqrt(gained + lost - n * value * value) / n
    return Difference(
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        value=value,
        ci95=(low, high),
        p_value=p_value,
        n=n,
        differing=gained + lost,
        error=error,
        method="mcnemar",
        gained=gained,
        lost=lost,
        identical=identical,
    )


def bootstrap_difference(
    baseline: WeightedStatistic,
    candidate: WeightedStatistic,
    n: int,
    *,
    differing: int,
    largest: float = 1.0,
    identical: bool = False,
    seed: int = 0,
    resamples: int = RESAMPLES,
    rows: int | None = None,
) -> Difference:
    """The difference of any metric of two models, both evaluated on the same draws of the samples.

    The standard error is the spread of the resampled differences. Interval and p-values are Student's around the
    difference itself, with one degree of freedom less than samples differ: they agree with each other, and a handful
    of differing samples is not taken for evidence, as resampled quantiles would take it. Where none differs there is
    no spread, and the interval is bounded by the rule of three (:data:`UNSEEN`) times ``largest``.

    Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), sections 6.2 and 12.2.

    Args:
        baseline: maps (B, n) counts to (B,) values, nan where it is undefined.
        candidate: likewise, its samples in the same order.
        n: the number of samples.
        differing: how many of them the two answered differently.
        largest: see :class:`Difference`.
        identical: see :class:`Difference`.
        seed: of the draws.
        resamples: how many draws of n samples, 2 or more.
        rows: resamples a block; None: as many as fit into the cache.

    Raises:
        ValueError: n is below 1, resamples below 2, differing outside [0, n], or one of the two values is undefined.
    """
    (difference,) = bootstrap_differences(
        lambda weights: baseline(weights)[:, None],
        lambda weights: candidate(weights)[:, None],
        n,
        differing=[differing],
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
    differing: Sequence[int],
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
        n: the number of samples.
        differing: C, of each statistic.
        sizes: C, how many samples have a say in each, as those of a class; None: all n.
        largest: see :class:`Difference`.
        identical: see :class:`Difference`.
        seed: of the draws.
        resamples: how many draws of n samples, 2 or more.
        rows: resamples a block; None: as many as fit into the cache.

    Returns:
        C differences; None where a statistic is undefined in one of the two.

    Raises:
        ValueError: n is below 1, resamples below 2, or differing outside [0, n].
    """
    count = len(differing)
    sizes = [n] * count if sizes is None else sizes
    if resamples < 2:
        raise ValueError(f"the spread of a difference needs two resamples or more, got {resamples}")
    if any(not 0 <= each <= n for each in differing):
        raise ValueError(f"of {n} samples, {max(differing)} cannot differ")

    def both(weights: Weights) -> NDArray[np.float64]:
        return np.concatenate([baseline(weights), candidate(weights)], axis=1)

    values = both(np.ones((1, n), dtype=np.int32))[0]
    if identical or not any(differing):
        spread = np.zeros(count)
    else:
        drawn = resampled(both, n, 2 * count, seed=seed, resamples=resamples, rows=rows)
        spread = _spread(drawn[:, count:] - drawn[:, :count])
    return [
        None
        if math.isnan(before) or math.isnan(after)
        else _by_spread(before, after, sd, int(size), int(own), largest, identical, resamples)
        for before, after, sd, size, own in zip(
            values[:count].tolist(), values[count:].tolist(), spread.tolist(), sizes, differing, strict=True
        )
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, each adjusted for the others: those at or below a have a family-wise error of a.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).

    Raises:
        ValueError: one of them is no probability.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"{p} is no p-value: it must lie in [0, 1]")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _by_spread(
    before: float, after: float, sd: float, n: int, differing: int, largest: float, identical: bool, resamples: int
) -> Difference:
    from scipy.special import ndtri, stdtrit

    value = after - before
    share = (1 + CONFIDENCE) / 2
    degrees, p_value = math.inf, 1.0
    interval: tuple[float, float] | None
    if n == 1 or math.isnan(sd):  # one sample is the same in every draw
        sd, interval = math.nan, None
    elif identical:
        interval = (0.0, 0.0)
    elif sd > 0:
        degrees = float(max(differing - 1, 1))
        half = float(stdtrit(degrees, share)) * sd
        interval, p_value = (value - half, value + half), 2 * _t_tail(abs(value), sd, degrees)
    else:  # not a draw in which the two differ otherwise than they do here
        half = largest * (1 - UNSEEN ** (1 / n))
        interval, sd = (value - half, value + half), half / float(ndtri(share))
        p_value = 1.0 if value == 0 else 2 / (resamples + 1)
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


def _t_tail(surplus: float, error: float, degrees: float) -> float:
    """The chance of a surplus as large as this or larger."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-surplus / error) if math.isinf(degrees) else stdtr(degrees, -surplus / error))


def _t_p(surplus: float, error: float, degrees: float) -> float:
    return min(1.0, 2 * _t_tail(surplus, error, degrees))


def _exact_p(surplus: int, deficit: int) -> float:
    """McNemar's exact test that the surplus is not larger by chance, doubled."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(deficit, surplus + deficit, 0.5)))


def _score_p(surplus: int, deficit: int, n: int, bound: float) -> float:
    """Tango's test that (surplus - deficit) / n lies above the bound by chance, doubled."""
    from scipy.special import ndtr

    if abs(bound) >= 1:
        return 1.0 if bound > 0 else 0.0
    return min(1.0, 2 * float(ndtr(-score_statistic(surplus, deficit, n, bound))))


def _fewest_in_one_direction(method: Literal["mcnemar", "bootstrap"], significance: float) -> int:
    """How many samples have to differ, all for the worse, before a test finds them."""
    count = 1
    while True:
        chance = _exact_p(count, 0) if method == "mcnemar" else _t_p(math.sqrt(count), 1.0, max(count - 1.0, 1.0))
        if chance <= significance:
            return count
        count += 1
