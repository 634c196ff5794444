"""Differences between models that answered the same samples, all pairs at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ADDED = 2
"""Samples that are added to every two models' answers, one to each side."""


def difference_errors(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors of the differences between every two models' means.

    Samples that two models get right or wrong together say nothing about which is better, and drop out: on one test set
    the error is smaller than that of two independent sets, the more so the more alike the models are.

    Two samples on which the models differ, once to each side, are added: without them four samples of one side would
    tell models apart at 95%, which the exact test does from six on, and two would where there are no others.
    Source: for 0/1 answers D. Bonett, R. Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", Journal of Educational and Behavioral Statistics 37 (2012). Its shrunken
    difference is put into the error instead, so that the difference itself is compared with 1.96 errors.

    Args:
        contributions: (M, N) what each of N samples contributes to each of M models' metric, a mean over samples.

    Returns:
        (M, M), symmetric, zeros on the diagonal; positive between models that never differ, too.

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
    """What each sample contributes to the mean of class recalls, around each class's own recall.

    The spread of such a mean is that within classes alone; means are taken out, so only errors are to be computed.

    Args:
        correct: (N,) whether each sample was answered rightly.
        labels: (N,) its class.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    recalls = np.bincount(classes, weights=correct) / sizes
    share = len(labels) / (len(sizes) * sizes)
    return np.asarray((correct - recalls[classes]) * share[classes])
