"""Computes Tango's score test and interval for the difference of two paired proportions.

The gate uses it to compare accuracies. If few or no pairs disagree, this interval keeps its coverage better than other
paired intervals.

Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
design", Statistics in Medicine 17 (1998), 891-908.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from vlmbench.metrics.base import CONFIDENCE

HALVINGS = 54
"""Enough halvings for two bounds to differ only in the last digit of a double."""
ROUNDING = 1e-9
"""Smaller differences count as rounding."""


def score_statistic(gained: int, lost: int, n: int, bound: float, *, correction: float = 0.0) -> float:
    """How many standard errors lie between the observed difference and ``bound``, if ``bound`` is the true difference.

    The standard error is that of the most likely rates of disagreement with a true difference of ``bound``. With a
    bound of 0 the result is McNemar's statistic, (gained - lost) / sqrt(gained + lost).

    Args:
        gained: pairs that only the second got right.
        lost: pairs that only the first got right.
        n: all pairs.
        bound: the difference to test, in (-1, 1).
        correction: the number of pairs to subtract from the surplus, because counts are whole and a normal
            distribution is continuous.

    >>> round(score_statistic(4, 12, 100, 0.0), 6)
    -2.0
    """
    surplus = gained - lost - n * bound - correction
    b = (2 * n - gained + lost) * bound - gained - lost
    c = -lost * bound * (1 - bound)
    likeliest_loss = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * likeliest_loss + bound * (1 - bound))
    if variance <= 0:  # no pair or every pair disagrees, as the bound states: the rest is rounding
        return 0.0 if abs(surplus) < ROUNDING * n else math.copysign(math.inf, surplus)
    return surplus / math.sqrt(variance)


def score_interval(gained: int, lost: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The differences (second - first) that the two-sided score test does not reject.

    Raises:
        ValueError: n is below 1, more than n pairs disagree, or confidence lies outside (0, 1).

    >>> [round(end, 4) for end in score_interval(4, 12, 100)]
    [-0.1656, -0.0018]
    """
    if n < 1 or min(gained, lost) < 0 or gained + lost > n:
        raise ValueError(f"{gained} pairs gained and {lost} lost of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    value = (gained - lost) / n

    def end(outermost: float) -> float:
        """Found by halving: importing scipy.optimize takes longer than most comparisons."""
        rejected, kept = outermost, value
        for _ in range(HALVINGS):
            middle = (rejected + kept) / 2
            if abs(score_statistic(gained, lost, n, middle)) > z:
                rejected = middle
            else:
                kept = middle
        return kept

    return end(-1.0), end(1.0)
