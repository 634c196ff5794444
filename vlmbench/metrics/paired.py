"""Computes standard errors of the differences between models on the same samples, for all pairs of models at once.

The rankings of ``vlmbench report`` and the leaderboard use them to tell which models are tied.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ADDED = 2
"""The number of imaginary samples that are added to every pair of models, one in favour of each."""


def difference_errors(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors of the differences between every two models' means.

    Samples that both models get right, or both wrong, do not show which model is better. So the error on one test set
    is smaller than the error on two independent test sets, and the more alike the models are, the smaller it is.

    Two imaginary samples on which the models differ are added, one in favour of each. Without them, four differing
    samples in one direction would tell models apart at 95%, while the exact test needs six; if no other samples exist,
    two would suffice.
    Source: for 0/1 answers D. Bonett, R. Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", Journal of Educational and Behavioral Statistics 37 (2012). Its shrinkage
    of the difference is part of the error here, so that the difference itself is compared with 1.96 errors.

    Args:
        contributions: (M, N) the contribution of each of N samples to the metric of each of M models. The metric is
            the mean of its contributions.

    Returns:
        (M, M), symmetric, with zeros on the diagonal. It is positive even between models that never differ.

    Raises:
        ValueError: there are fewer than two samples.

    >>> right = np.array([[1.0, 1, 0, 0], [1, 0, 0, 0]])
    >>> difference_errors(right).round(3).tolist()
    [[0.0, 0.421], [0.421, 0.0]]
    """
    count = contributions.shape[1]
    if count < 2:
        raise ValueError(f"a standard error needs at least two samples, got {count}")
    products = contributions @ contributions.T
    own = np.diag(products)
    squares = np.maximum(own[:, None] + own[None, :] - 2 * products, 0)  # of differences, summed over samples
    sums = contributions.sum(axis=1)
    shift = (sums[:, None] - sums[None, :]) ** 2 / (count + ADDED)
    errors = np.sqrt(np.maximum(squares + ADDED - shift, 0)) / count
    np.fill_diagonal(errors, 0)
    return np.asarray(errors)


def class_mean_contributions(correct: NDArray[np.bool_], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The contribution of each sample to the mean of class recalls, minus the mean of its class.

    The spread of that mean comes only from the spread within classes. The class means are subtracted, so these values
    serve to compute errors, not means.

    Args:
        correct: (N,) whether each answer is right.
        labels: (N,) the class of each sample.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    recalls = np.bincount(classes, weights=correct) / sizes
    share = len(labels) / (len(sizes) * sizes)
    return np.asarray((correct - recalls[classes]) * share[classes])
