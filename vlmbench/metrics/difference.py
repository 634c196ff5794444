"""Is one model worse than another? Tests and intervals of the difference of a metric on the very same samples.

Answers that are right or wrong in both models drop out, so that a paired test sees drops which the two models' own
intervals do not. Shares of right answers get McNemar's exact test, everything else a bootstrap that draws the same
samples for both (:mod:`vlmbench.metrics.paired_bootstrap`).
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
        rounding: so they are, but that scores, and the values made of them, differ by rounding.
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

        It is taken from the standard error that was observed; and where fewer samples differ than a test needs before
        it can find anything, from how many would have to, all in one direction.

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
        wanted = float(gammaincinv(fewest, power))
        if self.method == "bootstrap" and self.differing >= wanted:  # by how much they do, the error says
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


def student_tail(surplus: float, error: float, degrees: float) -> float:
    """The chance of a surplus as large as this or larger."""
    from scipy.special import ndtr, stdtr

    return float(ndtr(-surplus / error) if math.isinf(degrees) else stdtr(degrees, -surplus / error))


def least_p(differing: int) -> float:
    """The smallest p-value that so many differing samples can give: that all are for the worse, or all for the better,
    though each might as well have gone the other way.
    """
    return float(min(1.0, 2.0 ** (1 - differing)))


def _t_p(surplus: float, error: float, degrees: float) -> float:
    return min(1.0, 2 * student_tail(surplus, error, degrees))


def _exact_p(surplus: int, deficit: int) -> float:
    """McNemar's exact test that the surplus is not larger by chance, doubled."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(deficit, surplus + deficit, 0.5)))


def _score_p(surplus: int, deficit: int, n: int, bound: float) -> float:
    """Tango's test that (surplus - deficit) / n lies above the bound by chance, doubled.

    With a correction of one pair, as in McNemar's own statistic: without it, where few pairs disagree, the test errs
    twice as often as it says; with it, never more often (all tables of up to 400 pairs, tests/metrics).
    """
    from scipy.special import ndtr

    if abs(bound) >= 1:
        return 1.0 if bound > 0 else 0.0
    return min(1.0, 2 * float(ndtr(-score_statistic(surplus, deficit, n, bound, correction=1))))


def _fewest_in_one_direction(method: Literal["mcnemar", "bootstrap"], significance: float) -> int:
    """How many samples have to differ, all for the worse, before a test finds them."""
    count = 1
    while True:
        chance = _exact_p(count, 0) if method == "mcnemar" else _t_p(math.sqrt(count), 1.0, max(count - 1.0, 1.0))
        if chance <= significance:
            return count
        count += 1
