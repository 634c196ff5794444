"""Computes the interval of a mean of proportions, such as the mean of class recalls.

The metrics of classification and of given boxes use it.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE
from vlmbench.metrics.intervals import effective_wilson


def mean_of_proportions(hits: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[float, float]:
    """The 95% interval of the mean of C classes' proportions. Each class has its own trials; the classes are fixed.

    It is Wilson's interval with an effective number of trials: the number that gives the mean its variance, which is
    the sum of the classes' variances. A class with few trials often has only successes or only failures, and then seems
    not to vary. So its proportion moves towards the mean by one trial, s = (hits + mean) / (n + 1), and its variance is
    s (1 - s) (n + 1) / n^2, which is nearly unbiased at the mean. The variance of classes with a single trial is the
    variance among these classes (collapsed strata; too large if their true proportions differ). At a mean of 0 or 100%
    the number of trials is that of equally difficult classes.

    Source: X. Yan, X. G. Su, "Stratified Wilson and Newcombe confidence intervals for multiple binomial proportions",
    Statistics in Biopharmaceutical Research 2 (2010); W. G. Cochran, "Sampling Techniques" (1977), sections 5.4, 5A.12.

    Args:
        hits: (C,) the successful trials of each class.
        trials: (C,) all trials of each class, at least 1.

    >>> [round(end, 3) for end in mean_of_proportions(np.array([9, 5]), np.array([10, 10]))]
    [0.489, 0.85]
    >>> mean_of_proportions(np.array([5, 5]), np.array([5, 5]))[1]
    1.0
    """
    quantile = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    classes = len(trials)
    mean = float((hits / trials).mean())
    if not 0 < mean < 1:
        return effective_wilson(mean, classes**2 / float((1 / trials).sum()), quantile)
    variance = _variance(hits, trials, mean)
    return effective_wilson(mean, mean * (1 - mean) * classes**2 / variance, quantile)


def _variance(hits: NDArray[np.int64], trials: NDArray[np.int64], mean: float) -> float:
    """The variance of the sum of the proportions."""
    several = trials > 1
    counts = trials[several]
    drawn = (hits[several] + mean) / (counts + 1)
    own = float((drawn * (1 - drawn) * (counts + 1) / counts**2).sum())
    lone = hits[~several]
    if len(lone) == 0:
        return own
    alike = lone.min() == lone.max()  # equal results do not show how they vary
    return own + len(lone) * (mean * (1 - mean) if alike else float(lone.var(ddof=1)))
