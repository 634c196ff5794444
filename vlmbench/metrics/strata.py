"""The interval of a mean of proportions, such as that of the classes' recalls."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE
from vlmbench.metrics.intervals import effective_wilson


def mean_of_proportions(hits: NDArray[np.int64], trials: NDArray[np.int64]) -> tuple[float, float]:
    """The 95 % interval of the mean of C proportions, each of its own trials; the C classes are fixed.

    Wilson's, of as many trials as would give the mean the variance that it has. That is the sum of the classes' own
    unbiased variances; classes with a single trial, which have none, vary as much as they do among themselves
    (collapsed strata: more than they really vary, if their true proportions differ). If all trials went one way, the
    number of trials is that of equally hard classes, so that a mean of 100 % has a lower end.

    Source: X. Yan, X. G. Su, "Stratified Wilson and Newcombe confidence intervals for multiple binomial proportions",
    Statistics in Biopharmaceutical Research 2 (2010); W. G. Cochran, "Sampling Techniques" (1977), sections 5.4, 5A.12.

    Args:
        hits: (C,) how many trials of each class succeeded.
        trials: (C,) how many there were, 1 or more.

    >>> [round(end, 3) for end in mean_of_proportions(np.array([9, 5]), np.array([10, 10]))]
    [0.492, 0.849]
    >>> mean_of_proportions(np.array([5, 5]), np.array([5, 5]))[1]
    1.0
    """
    quantile = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    classes = len(trials)
    shares = hits / trials
    mean = float(shares.mean())
    if not 0 < mean < 1:
        return effective_wilson(mean, classes**2 / float((1 / trials).sum()), quantile)
    variance = _variance(shares, trials, mean)
    if variance <= 0:  # some classes all right, the others all wrong: each may be off by chance, as Laplace has it
        likely = (hits + 1) / (trials + 2)
        variance = float((likely * (1 - likely) / trials).sum())
    return effective_wilson(mean, mean * (1 - mean) * classes**2 / variance, quantile)


def _variance(shares: NDArray[np.float64], trials: NDArray[np.int64], mean: float) -> float:
    """Of the sum of the shares."""
    several = trials > 1
    own = float((shares[several] * (1 - shares[several]) / (trials[several] - 1)).sum())
    lone = shares[~several]
    if len(lone) == 0:
        return own
    return own + len(lone) * (float(lone.var(ddof=1)) if len(lone) > 1 else mean * (1 - mean))
