"""What every metric returns, and the constants of its interval."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 1000
"""Draws of the samples that two models answered, for the difference between them."""
FLAT = 1e-12
"""A spread below this is rounding."""
NOT_ASKED = "no interval was asked for"
ALIKE = "all {units} count alike, which does not tell how far others would differ"


@dataclass(frozen=True)
class Estimate:
    """A metric's value with its 95 % interval.

    Args:
        value: a fraction in [0, 1], or a rank from 1; nan where the metric is undefined on these samples.
        low: the interval's lower end; None where there is no interval.
        high: its upper end; None where there is no interval.
        n: the number of samples used.
        reason: in plain words, why there is no value, or else no interval; "" if there are both.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    reason: str = ""
