"""Computes intervals of means over draws: several support sets, whose answers are to the same samples.

Few-shot tables use it for a method's mean and for the paired difference of two methods, and the gate for two releases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, stdev

NORMAL = 1.959964
"""The factor of a standard error in a 95 % interval."""


def half_of_draws(values: Sequence[float]) -> float:
    """Half of the 95 % interval of a mean over R draws: Student's factor for R - 1 degrees of freedom times s/√R.

    0 for one draw, which shows no spread.

    >>> round(half_of_draws([0.01, 0.02, 0.03]), 5)
    0.02484
    """
    if len(values) < 2:
        return 0.0
    from scipy.special import stdtrit  # scipy.stats takes a third of a second to import

    return float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))


def interval_of_differences(differences: Sequence[float], samples_error: float | None) -> tuple[float, float] | None:
    """The 95 % interval of the mean of paired differences, one for each draw.

    Half of it is the root of two squares: Student's interval over the draws, as of a paired t-test, and 1.96 standard
    errors over the samples, which all draws share.

    Args:
        samples_error: the standard error of the mean over other samples; None: it is not known, and the interval covers
            other draws only.

    Returns:
        None for one draw without a standard error.
    """
    if len(differences) < 2 and samples_error is None:
        return None
    centre = mean(differences)
    half = math.hypot(half_of_draws(differences), NORMAL * (samples_error or 0.0))
    return centre - half, centre + half
