"""Computes metrics of cross-modal retrieval from the rank of each query's best true match. The retrieval task uses it.

A rank is the place of the best true match among the candidates, counted from 1. Queries form groups: the captions of
one image are about one picture, so they belong together. A ValueError names what is wrong: no queries, lengths that
differ, or a rank or k below 1.

Intervals are for the value on other images and captions from the same source, with a gallery of the same size, because
the size of the gallery is part of the question. Simulations with new galleries of the same size confirm the intervals
(docs/intervals.md).
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import CONFIDENCE, Estimate
from vlmbench.metrics.inputs import IntArray, class_indices, same_length
from vlmbench.metrics.intervals import WeightedStatistic, Weights, effective_wilson, wilson
from vlmbench.metrics.jackknife import jackknife_estimate

IMAGES = "images"
DEFINED = ""
"""The value is always defined, so there is no reason to state."""


def recall_at_k(ranks: IntArray, groups: IntArray, k: int, *, seed: int = 0) -> Estimate:
    """The share of queries with a true match among their k best candidates.

    A query counts 1 or 0, for any number of true matches, as in `clip_benchmark/metrics/zeroshot_retrieval.py` of
    LAION-AI/CLIP_benchmark and in CLIP's and later papers. The interval is Wilson's if each group has one query or if
    all queries have the same result. Otherwise it is a jackknife over groups.

    Args:
        ranks: (Q,).
        groups: (Q,) the image of each query.
        k: the number of best candidates that count.

    >>> recall_at_k(np.array([1, 3, 2, 9]), np.array([0, 0, 1, 1]), k=2).value
    0.5
    """
    statistic = recall_at_k_statistic(ranks, groups, k)
    place, _, n = _queries(ranks, groups)
    if n == len(place):
        hits = int((place <= k).sum())
        low, high = wilson(hits, n)
        return Estimate(value=hits / n, low=low, high=high, n=n)
    return _share(statistic, n, seed)


def recall_at_k_statistic(ranks: IntArray, groups: IntArray, k: int) -> WeightedStatistic:
    """`recall_at_k` for any weights of the groups, which are in ascending order."""
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
) -> Estimate:
    """The mean of image-to-text and text-to-image recall@k, with a jackknife over images with their captions.

    DataComp's `mean_recall@1` (mlfoundations/datacomp, tasklist.yml).

    Args:
        image_ranks: (I,) the ranks of image queries.
        caption_ranks: (Q,) the ranks of caption queries.
        caption_images: (Q,) the image of each caption, an index into `image_ranks`. Every image has at least one.
        k: the number of best candidates that count.

    Raises:
        ValueError: an image has no caption.

    >>> mean_recall_at_k(np.array([1, 2]), np.array([1, 1, 1, 5]), np.array([0, 0, 1, 1]), k=1).value
    0.625
    """
    paired = mean_recall_at_k_statistic(image_ranks, caption_ranks, caption_images, k)
    n = len(image_ranks)
    of_images = recall_at_k_statistic(image_ranks, np.arange(n), k)
    of_captions = recall_at_k_statistic(caption_ranks, caption_images, k)
    found = _share(lambda weights: (of_images(weights) + of_captions(weights)) / 2, n, seed)
    return replace(found, value=float(paired(np.ones((1, n), dtype=np.int32))[0]))


def mean_recall_at_k_statistic(
    image_ranks: IntArray, caption_ranks: IntArray, caption_images: IntArray, k: int
) -> WeightedStatistic:
    """`mean_recall_at_k` for any weights of the images."""
    if k < 1:
        raise ValueError(f"recall@k needs k of 1 or more, got {k}")
    images, _, n = _queries(image_ranks, np.arange(len(image_ranks)))
    place, owners, owning = _queries(caption_ranks, caption_images)
    if owning != n or int(np.max(caption_images)) != n - 1:
        raise ValueError(f"every image from 0 to {n - 1} needs a caption; the captions belong to {owning}")
    image_hits = (images <= k).astype(np.float64)
    caption_hits = np.bincount(owners, weights=place <= k, minlength=n)
    captions = np.bincount(owners, minlength=n)

    def mean_recall(weights: Weights) -> NDArray[np.float64]:
        recall: NDArray[np.float64] = ((weights @ image_hits) / n + (weights @ caption_hits) / (weights @ captions)) / 2
        return recall

    return mean_recall


def mean_rank(ranks: IntArray, groups: IntArray, *, seed: int = 0) -> Estimate:
    """The mean place of the best true match, with a jackknife over groups. Lower is better.

    >>> mean_rank(np.array([1, 3, 2, 10]), np.array([0, 0, 1, 1])).value
    4.0
    """
    _, _, n = _queries(ranks, groups)
    statistic = mean_rank_statistic(ranks, groups)
    return jackknife_estimate(statistic, n, undefined=DEFINED, units=IMAGES, scale="rank", seed=seed)


def mean_rank_statistic(ranks: IntArray, groups: IntArray) -> WeightedStatistic:
    """`mean_rank` for any weights of the groups, which are in ascending order."""
    place, dense, n = _queries(ranks, groups)
    return _mean_over_queries(place.astype(np.float64), dense, n)


def median_rank(ranks: IntArray, groups: IntArray) -> Estimate:
    """The median place of the best true match, as `numpy.median` gives it. Lower is better.

    The interval's ends are the quantiles of the ranks at one half minus and plus the sampling error of that share, over
    groups. Ranks are whole numbers, so the interval contains the truth more often than in 95% of cases. There is no
    interval if both ends are the same rank.

    Source: R. S. Woodruff, "Confidence intervals for medians and other position measures", JASA 47 (1952).

    >>> median_rank(np.array([1, 3, 2, 10]), np.array([0, 0, 1, 1])).value
    2.5
    """
    place, dense, n = _queries(ranks, groups)
    value = float(np.median(place))
    quantile = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    low, high = effective_wilson(0.5, _independent(place <= value, dense, n), quantile)
    ordered = np.sort(place)
    first = float(ordered[max(0, math.ceil(low * len(place)) - 1)])
    last = float(ordered[min(len(place) - 1, math.floor(high * len(place)))])
    if first == last:
        return Estimate(value, None, None, n, f"both ends are rank {first:.0f}")
    return Estimate(value, min(first, value), max(last, value), n)


def median_rank_statistic(ranks: IntArray, groups: IntArray) -> WeightedStatistic:
    """`median_rank` for any weights of the groups, which are in ascending order."""
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
    """The checked ranks, the groups numbered from 0 to n - 1, and n."""
    place = class_indices(ranks, "ranks")
    if place.min() < 1:
        raise ValueError(f"ranks count from 1, but one is {int(place.min())}")
    same_length(ranks=place, groups=class_indices(groups, "groups"))
    found, dense = np.unique(groups, return_inverse=True)
    return place, dense.astype(np.int64), len(found)


def _share(statistic: WeightedStatistic, n: int, seed: int) -> Estimate:
    """The interval of a share of queries in n groups. If all queries have one result, each group is one trial."""
    found = jackknife_estimate(statistic, n, undefined=DEFINED, units=IMAGES, seed=seed)
    if found.value not in (0.0, 1.0):
        return found
    low, high = wilson(round(found.value * n), n)
    return replace(found, low=low, high=high, reason="")


def _independent(hits: NDArray[np.bool_], groups: NDArray[np.int64], n: int) -> float:
    """The effective number of queries: as many independent ones would give the share the same error."""
    share, sizes = float(hits.mean()), np.bincount(groups, minlength=n)
    apart = np.bincount(groups, weights=hits, minlength=n) - share * sizes
    squares = float((apart**2).sum())
    return share * (1 - share) * len(hits) ** 2 / squares if squares else float(n)


def _mean_over_queries(values: NDArray[np.float64], groups: NDArray[np.int64], n: int) -> WeightedStatistic:
    sums = np.bincount(groups, weights=values, minlength=n)
    counts = np.bincount(groups, minlength=n)

    def mean(weights: Weights) -> NDArray[np.float64]:
        drawn: NDArray[np.float64] = (weights @ sums) / (weights @ counts)
        return drawn

    return mean
