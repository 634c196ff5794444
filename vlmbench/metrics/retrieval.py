"""Metrics of cross-modal retrieval, from the rank of each query's best true match.

A rank is the best true match's place among the candidates, from 1. Queries come in groups: the captions of one image
are about the same picture, so they are drawn together in a resample. A ValueError says that there are no queries, that
lengths differ, or which rank or k is below 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import RESAMPLES, Estimate
from vlmbench.metrics.inputs import IntArray, class_indices, same_length
from vlmbench.metrics.intervals import WeightedStatistic, Weights, bootstrap_estimate, wilson


def recall_at_k(ranks: IntArray, groups: IntArray, k: int, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The share of queries with a true match among their k best candidates.

    It is 1 or 0 a query, however many matches there are, as `clip_benchmark/metrics/zeroshot_retrieval.py` in
    LAION-AI/CLIP_benchmark has it and CLIP-like papers report it. The interval is Wilson's where each group has one
    query, else a bootstrap over groups.

    Args:
        ranks: (Q,).
        groups: (Q,) the image each query belongs to.
        k: how many of the best candidates count.

    >>> recall_at_k(np.array([1, 3, 2, 9]), np.array([0, 0, 1, 1]), k=2).value
    0.5
    """
    statistic = recall_at_k_statistic(ranks, groups, k)
    place, _, n = _queries(ranks, groups)
    if n == len(place):
        hits = int((place <= k).sum())
        low, high = wilson(hits, n)
        return Estimate(value=hits / n, low=low, high=high, n=n)
    return bootstrap_estimate(statistic, n, seed=seed, resamples=resamples)


def recall_at_k_statistic(ranks: IntArray, groups: IntArray, k: int) -> WeightedStatistic:
    """`recall_at_k` of the groups, in ascending order, as often as they were drawn."""
    place, dense, n = _queries(ranks, groups)
    if k < 1:
        raise ValueError(f"recall@k needs k of 1 or more, got {k}")
    return _mean_over_queries((place <= k).astype(np.float64), dense, n)


def mean_recall_at_k(
    image_ranks: IntArray,
    caption_ranks: IntArray,
    caption_images: IntArray,
    k: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The mean of image-to-text and text-to-image recall@k; a bootstrap over images, each with its captions.

    DataComp's `mean_recall@1` (mlfoundations/datacomp, tasklist.yml).

    Args:
        image_ranks: (I,) of image queries.
        caption_ranks: (Q,) of caption queries.
        caption_images: (Q,) each caption's image, an index into `image_ranks`; every image has one or more.
        k: how many of the best candidates count.

    Raises:
        ValueError: an image has no caption.

    >>> mean_recall_at_k(np.array([1, 2]), np.array([1, 1, 1, 5]), np.array([0, 0, 1, 1]), k=1).value
    0.625
    """
    statistic = mean_recall_at_k_statistic(image_ranks, caption_ranks, caption_images, k)
    return bootstrap_estimate(statistic, len(image_ranks), seed=seed, resamples=resamples)


def mean_recall_at_k_statistic(
    image_ranks: IntArray, caption_ranks: IntArray, caption_images: IntArray, k: int
) -> WeightedStatistic:
    """`mean_recall_at_k` of the images as often as they were drawn."""
    if k < 1:
        raise ValueError(f"recall@k needs k of 1 or more, got {k}")
    images, _, n = _queries(image_ranks, np.arange(len(image_ranks)))
    place, owners, owning = _queries(caption_ranks, caption_images)
    if owning != n or int(np.max(caption_images)) != n - 1:
        raise ValueError(f"captions must be of the images 0 to {n - 1}, each with one or more; they are of {owning}")
    image_hits = (images <= k).astype(np.float64)
    caption_hits = np.bincount(owners, weights=place <= k, minlength=n)
    captions = np.bincount(owners, minlength=n)

    def mean_recall(weights: Weights) -> NDArray[np.float64]:
        recall: NDArray[np.float64] = ((weights @ image_hits) / n + (weights @ caption_hits) / (weights @ captions)) / 2
        return recall

    return mean_recall


def mean_rank(ranks: IntArray, groups: IntArray, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The mean place of the best true match; lower is better. A bootstrap over groups.

    >>> mean_rank(np.array([1, 3, 2, 10]), np.array([0, 0, 1, 1])).value
    4.0
    """
    _, _, n = _queries(ranks, groups)
    return bootstrap_estimate(mean_rank_statistic(ranks, groups), n, seed=seed, resamples=resamples)


def mean_rank_statistic(ranks: IntArray, groups: IntArray) -> WeightedStatistic:
    """`mean_rank` of the groups, in ascending order, as often as they were drawn."""
    place, dense, n = _queries(ranks, groups)
    return _mean_over_queries(place.astype(np.float64), dense, n)


def median_rank(ranks: IntArray, groups: IntArray, *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The median place of the best true match, as `numpy.median`; lower is better. A bootstrap over groups.

    >>> median_rank(np.array([1, 3, 2, 10]), np.array([0, 0, 1, 1])).value
    2.5
    """
    _, _, n = _queries(ranks, groups)
    return bootstrap_estimate(median_rank_statistic(ranks, groups), n, seed=seed, resamples=resamples)


def median_rank_statistic(ranks: IntArray, groups: IntArray) -> WeightedStatistic:
    """`median_rank` of the groups, in ascending order, as often as they were drawn."""
    place, dense, _ = _queries(ranks, groups)
    order = np.argsort(place, kind="stable")
    ordered, owners = place[order].astype(np.float64), dense[order]

    def median(weights: Weights) -> NDArray[np.float64]:
        drawn = np.cumsum(weights[:, owners], axis=1, dtype=np.int64)
        total = drawn[:, -1:]
        lower = (drawn > (total - 1) // 2).argmax(axis=1)
        upper = (drawn > total // 2).argmax(axis=1)
        middle: NDArray[np.float64] = (ordered[lower] + ordered[upper]) / 2
        return middle

    return median


def _queries(ranks: IntArray, groups: IntArray) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Ranks, groups as 0 to n - 1, and n."""
    place = class_indices(ranks, "ranks")
    if place.min() < 1:
        raise ValueError(f"ranks count from 1, got {int(place.min())}")
    same_length(ranks=place, groups=class_indices(groups, "groups"))
    found, dense = np.unique(groups, return_inverse=True)
    return place, dense.astype(np.int64), len(found)


def _mean_over_queries(values: NDArray[np.float64], groups: NDArray[np.int64], n: int) -> WeightedStatistic:
    sums = np.bincount(groups, weights=values, minlength=n)
    counts = np.bincount(groups, minlength=n)

    def mean(weights: Weights) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = (weights @ sums) / (weights @ counts)
        return drawn

    return mean
