"""Metrics of cross-modal retrieval, from the rank of each query's best true match.

A rank is the best true match's place among the candidates, from 1. Queries come in groups: the captions of one image
are about the same picture, so they count together. A ValueError says that there are no queries, that lengths differ, or
which rank or k is below 1.

Intervals are of the number on other images with their captions from the same source, as many as here: a larger gallery
is another question. (Simulated data sets of this size, galleries drawn anew, bear that out: docs/intervals.md.)
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
"""No reason is ever needed: with a query there is a rank."""


def recall_at_k(ranks: IntArray, groups: IntArray, k: int, *, seed: int = 0) -> Estimate:
    """The share of queries with a true match among their k best candidates.

    It is 1 or 0 a query, however many matches there are, as `clip_benchmark/metrics/zeroshot_retrieval.py` in
    LAION-AI/CLIP_benchmark has it and CLIP-like papers report it. The interval is Wilson's where each group has one
    query, or all queries went one way; else the jackknife's over groups.

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
    return _share(statistic, n, seed)


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
) -> Estimate:
    """The mean of image-to-text and text-to-image recall@k; a jackknife over images, each with its captions.

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
    paired = mean_recall_at_k_statistic(image_ranks, caption_ranks, caption_images, k)
    n = len(image_ranks)
    of_images = recall_at_k_statistic(image_ranks, np.arange(n), k)
    of_captions = recall_at_k_statistic(caption_ranks, caption_images, k)
    found = _share(lambda weights: (of_images(weights) + of_captions(weights)) / 2, n, seed)
    return replace(found, value=float(paired(np.ones((1, n), dtype=np.int32))[0]))


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


def mean_rank(ranks: IntArray, groups: IntArray, *, seed: int = 0) -> Estimate:
    """The mean place of the best true match; lower is better. A jackknife over groups.

    >>> mean_rank(np.array([1, 3, 2, 10]), np.array([0, 0, 1, 1])).value
    4.0
    """
    _, _, n = _queries(ranks, groups)
    statistic = mean_rank_statistic(ranks, groups)
    return jackknife_estimate(statistic, n, undefined=DEFINED, units=IMAGES, scale="rank", seed=seed)


def mean_rank_statistic(ranks: IntArray, groups: IntArray) -> WeightedStatistic:
    """`mean_rank` of the groups, in ascending order, as often as they were drawn."""
    place, dense, n = _queries(ranks, groups)
    return _mean_over_queries(place.astype(np.float64), dense, n)


def median_rank(ranks: IntArray, groups: IntArray) -> Estimate:
    """The median place of the best true match, as `numpy.median`; lower is better.

    The interval's ends are the ranks below which one half of the queries may lie, within the error of that share over
    groups. Ranks are whole numbers: it holds the truth more often than 95 %, and there is none if both ends are one
    rank.

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
        return Estimate(value, None, None, n, f"both its ends are rank {first:.0f}")
    return Estimate(value, min(first, value), max(last, value), n)


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


def _share(statistic: WeightedStatistic, n: int, seed: int) -> Estimate:
    """A share of queries, in n groups. If all went one way, as many groups are what is known of it."""
    found = jackknife_estimate(statistic, n, undefined=DEFINED, units=IMAGES, seed=seed)
    if found.value not in (0.0, 1.0):
        return found
    low, high = wilson(round(found.value * n), n)
    return replace(found, low=low, high=high, reason="")


def _independent(hits: NDArray[np.bool_], groups: NDArray[np.int64], n: int) -> float:
    """How many independent queries would tell their share as well as queries in n groups do."""
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
