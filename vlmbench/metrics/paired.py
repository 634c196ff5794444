"""Differences between models that answered the same samples, all pairs at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def difference_errors(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors of the differences between every two models' means.

    Samples that two models get right or wrong together say nothing about which is better, and drop out: on one test set
    the error is smaller than that of two independent sets, the more so the more alike the models are.

    Source: for 0/1 answers this is the Wald interval of McNemar's design; A. Agresti, "Categorical Data Analysis",
    section 10.1.1 (1990), with N - 1 in place of N.

    Args:
        contributions: (M, N) what each of N samples contributes to each of M models' metric, a mean over samples.

    Returns:
        (M, M), symmetric, zeros on the diagonal.

    Raises:
        ValueError: there are fewer than two samples.

    >>> right = np.array([[1.0, 1, 0, 0], [1, 0, 0, 0]])
    >>> difference_errors(right).round(3).tolist()
    [[0.0, 0.25], [0.25, 0.0]]
    """
    count = contributions.shape[1]
    if count < 2:
        raise ValueError(f"a standard error needs at least two samples, got {count}")
    centred = contributions - contributions.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / (count - 1)
    own = np.diag(covariance)
    variance = own[:, None] + own[None, :] - 2 * covariance
    np.fill_diagonal(variance, 0)
    return np.asarray(np.sqrt(np.maximum(variance, 0) / count))


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
