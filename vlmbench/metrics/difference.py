"""Computes tests and intervals for the difference of a metric between two models on the same samples.

The gate uses it. A paired test ignores samples that both models answer rightly or both wrongly. So it finds drops that
the two models' own intervals hide. Shares of right answers get McNemar's exact test. All other metrics get a bootstrap
that draws the same samples for both models (:mod:`vlmbench.metrics.paired_bootstrap`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlmbench.metrics.base import CONFIDENCE
from vlmbench.metrics.inputs import BoolArray, flags, same_length
from vlmbench.metrics.tango import score_interval, score_statistic


@dataclass(frozen=True)
class Difference:
    """Candidate minus baseline for one metric on the same n samples, in the metric's own unit and direction.

    Attributes:
        baseline: the baseline's value.
        candidate: the candidate's value.
        value: candidate - baseline.
        ci95: the two-sided 95% interval of the difference; None if fewer than two samples could define it.
        p_value: two-sided; the hypothesis is that there is no difference.
        n: the number of paired samples (images); for a class, of those that its number depends on.
        differing: the number of them whose answers differ in a way that can change the metric.
        error: the standard error of ``value``; nan without an interval.
        method: "mcnemar" for shares of right answers, else "bootstrap".
        gained: samples that turned from wrong to right; None with a bootstrap.
        lost: samples that turned from right to wrong; None with a bootstrap.
        degrees: the degrees of freedom of ``error``. They are few if few samples differ.
        largest: the largest possible change of the metric, if every answer changes.
        identical: all answers and scores are equal, so the two models behave the same.
        rounding: all answers are equal, and scores and values differ only by rounding.
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
    rounding: bool = False

    def p_below(self, bound: float) -> float:
        """The p-value of a difference as low as this one if the true difference were ``bound``. It is doubled, so
        that it compares with a two-sided p-value.

        With a bound of 0 it is ``p_value`` if the difference is negative. A lower ``bound`` never gives a lower
        p-value.
        """
        return self._p(bound, upwards=False)

    def p_above(self, bound: float) -> float:
        """As :meth:`p_below`, for a difference as high as this one."""
        return self._p(bound, upwards=True)

    def detectable(self, significance: float = 0.05, power: float = 0.8) -> float:
        """The smallest true drop that a test at this significance finds with this power on such samples.

        It follows from the observed standard error. If fewer samples differ than the test needs to find anything, it
        follows from the number that would have to differ, all in one direction.

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
        # The number of differing samples in one direction that the test needs, and the expected number (Poisson) that
        # reaches it with this power.
        fewest = _fewest_in_one_direction(self.method, significance)
        wanted = float(gammaincinv(fewest, power))
        if self.method == "bootstrap" and self.differing >= wanted:  # the standard error tells by how much
            return by_error
        return max(by_error, self.largest * wanted / self.n)

    def _p(self, bound: float, *, upwards: bool) -> float:
        sign = 1 if upwards else -1
        if self.ci95 is None:
            return 1.0
        if self.identical or self.rounding:
            return 0.0 if sign * bound < 0 else 1.0
        if self.gained is None or self.lost is None:
            chance = _t_p(sign * (self.value - bound), self.error, self.degrees)
            return max(chance, least_p(self.differing)) if sign * bound >= 0 else chance
        surplus, deficit = (self.gained, self.lost) if upwards else (self.lost, self.gained)
        exact = _exact_p(surplus, deficit)
        if bound == 0:
            return exact
        score = _score_p(surplus, deficit, self.n, sign * bound)
        # A drop beyond a tolerance is harder to show than any drop; the score test alone may not respect that.
        return max(score, exact) if sign * bound > 0 else min(score, exact)


def mcnemar_difference(baseline_right: BoolArray, candidate_right: BoolArray, *, identical: bool = False) -> Difference:
    """The difference of two shares of right answers, with McNemar's exact test and Tango's score interval.

    The interval contains 0 whenever the exact test does not reject 0, so that the two never contradict each other.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), with the exact binomial distribution instead of its approximation.

    Args:
        baseline_right: (n,) whether the baseline was right.
        candidate_right: (n,) the same for the candidate.
        identical: see :class:`Difference`.

    Raises:
        ValueError: no samples, or lengths that differ.

    >>> import numpy as np
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


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests. Rejecting those at or below a has a family-wise error of at most a.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).

    Raises:
        ValueError: a value is not in [0, 1].

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise ValueError(f"{p} is not a p-value: a p-value lies in [0, 1]")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def student_tail(surplus: float, error: float, degrees: float) -> float:
    """The probability of a surplus of at least this size."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-surplus / error) if math.isinf(degrees) else stdtr(degrees, -surplus / error))


def least_p(differing: int) -> float:
    """The smallest p-value that this number of differing samples can give: all of them differ in one direction, while
    both directions are equally likely.
    """
    return float(min(1.0, 2.0 ** (1 - differing)))


def _t_p(surplus: float, error: float, degrees: float) -> float:
    return min(1.0, 2 * student_tail(surplus, error, degrees))


def _exact_p(surplus: int, deficit: int) -> float:
    """The two-sided p-value of McNemar's exact test for this surplus."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(deficit, surplus + deficit, 0.5)))


def _score_p(surplus: int, deficit: int, n: int, bound: float) -> float:
    """Tango's test that (surplus - deficit) / n lies above the bound; the p-value is doubled.

    It has a correction of one pair, as McNemar's own statistic has. Without the correction, the test errs twice as
    often as stated if few pairs disagree. With it, the test never errs more often than stated (for all tables of up to
    400 pairs, tests/metrics).
    """
    from scipy.special import ndtr

    if abs(bound) >= 1:
        return 1.0 if bound > 0 else 0.0
    return min(1.0, 2 * float(ndtr(-score_statistic(surplus, deficit, n, bound, correction=1))))


def _fewest_in_one_direction(method: Literal["mcnemar", "bootstrap"], significance: float) -> int:
    """The number of samples that must differ, all of them for the worse, before a test finds a drop."""
    count = 1
    while True:
        chance = _exact_p(count, 0) if method == "mcnemar" else _t_p(math.sqrt(count), 1.0, max(count - 1.0, 1.0))
        if chance <= significance:
            return count
        count += 1
