"""Defines :class:`Estimate`, the result of every metric, and the constants of its interval.

All modules of this room use it. Tasks turn estimates into the numbers of a record.
"""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 1000
"""The number of bootstrap draws for the difference between two models."""
FLAT = 1e-12
"""A spread below this comes from rounding."""
NOT_ASKED = "no interval was asked for"
ALIKE = "all {units} have the same value, which does not show how much other {units} would vary"


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its 95 % interval.

    Args:
        value: a fraction in [0, 1], or a rank from 1. It is nan if the metric is undefined on these samples.
        low: the interval's lower end; None without an interval.
        high: the interval's upper end; None without an interval.
        n: the number of samples used.
        reason: why the value is missing, or else why the interval is missing; "" if neither is.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    reason: str = ""
