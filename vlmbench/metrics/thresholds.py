"""Counts weighted samples sorted by score, and computes the three statistics of :mod:`~vlmbench.metrics.ranking`.

Only that module uses it. Samples with equal scores form one threshold, so the order of the input does not matter. Only
thresholds with a positive are kept: the others change none of the three statistics. Counts stay integers as long as
possible, and a resample needs no sorting: one class takes samples x resamples steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.inputs import BoolArray
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics, Weights

VOC_RECALL_STEPS = 10  # recall 0, 0.1, ..., 1: Everingham et al. 2010, equation 1


@dataclass(frozen=True)
class Ranking:
    """The samples of one class by descending score, with the G runs of equal scores that contain a positive.

    Args:
        order: (N,) samples, best first.
        positives: (P,) the positive samples, best first.
        groups: (G,) where each run begins within `positives`.
        starts: (G,) where each run begins within `order`.
        stops: (G,) where each run ends within `order`.
    """

    order: NDArray[np.intp]
    positives: NDArray[np.intp]
    groups: NDArray[np.intp]
    starts: NDArray[np.intp]
    stops: NDArray[np.intp]

    def hits(self, weights: Weights) -> NDArray[np.int32]:
        """(B, G): the positives in each run."""
        return np.add.reduceat(weights[:, self.positives], self.groups, axis=1, dtype=np.int32)

    def ranked(self, weights: Weights) -> NDArray[np.int32]:
        """(B, N + 1): the number of samples above each place, positive or not."""
        total = np.zeros((len(weights), len(self.order) + 1), dtype=np.int32)
        np.cumsum(weights[:, self.order], axis=1, out=total[:, 1:])
        return total


RankingStatistic: TypeAlias = Callable[[Ranking, Weights], NDArray[np.float64]]


def rank(scores: NDArray[np.float64], positive: BoolArray) -> Ranking:
    """Sort (N,) scores without NaN, and find the runs of equal scores that contain a positive."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    runs = np.concatenate(([0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(ranked)]))
    places = np.flatnonzero(positive[order])
    run_of_positive = np.searchsorted(runs, places, side="right") - 1
    held, groups = np.unique(run_of_positive, return_index=True)
    return Ranking(order, order[places], groups, runs[held], runs[held + 1])


def macro(statistic: RankingStatistic, rankings: Sequence[Ranking]) -> WeightedStatistic:
    """The mean of a statistic over classes. In each resample, classes with nan do not count."""
    usable = [ranking for ranking in rankings if len(ranking.positives)]

    def mean(weights: Weights) -> NDArray[np.float64]:
        total = np.zeros(len(weights))
        defined = np.zeros(len(weights), dtype=np.int64)
        for ranking in usable:
            values = statistic(ranking, weights)
            total += np.nan_to_num(values, nan=0.0)
            defined += ~np.isnan(values)
        return _ratio(total, defined)

    return mean


def by_class(statistic: RankingStatistic, rankings: Sequence[Ranking]) -> WeightedStatistics:
    """(B, C) values of a statistic of C classes; nan if it is undefined."""

    def columns(weights: Weights) -> NDArray[np.float64]:
        undefined = np.full(len(weights), np.nan)
        return np.stack(
            [statistic(ranking, weights) if len(ranking.positives) else undefined for ranking in rankings], axis=1
        )

    return columns


def eleven_point(ranking: Ranking, weights: Weights) -> NDArray[np.float64]:
    """(B,) values of `ranking.average_precision_11_point`; nan if no positive was drawn."""
    true_positives, precision, positives = _curve(ranking, weights)
    total = np.zeros(len(weights))
    for step in range(VOC_RECALL_STEPS + 1):
        reached = VOC_RECALL_STEPS * true_positives >= step * positives[:, None]
        total += np.where(reached, precision, 0.0).max(axis=1, initial=0.0)
    return _ratio(total, (VOC_RECALL_STEPS + 1) * (positives > 0))


def precision_at_positives(ranking: Ranking, weights: Weights) -> NDArray[np.float64]:
    """(B,) values of `ranking.average_precision`; nan if no positive was drawn."""
    true_positives, precision, positives = _curve(ranking, weights)
    hits = np.diff(true_positives, axis=1, prepend=0)
    return _ratio((hits * precision).sum(axis=1), positives)


def _curve(ranking: Ranking, weights: Weights) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """(B, G) true positives and precision at each threshold with a positive, and (B,) positives in all."""
    true_positives = np.cumsum(ranking.hits(weights), axis=1, dtype=np.int64)
    retrieved = ranking.ranked(weights)[:, ranking.stops]
    # If no sample was drawn so far, there is no true positive either, and 0 / 1 adds nothing.
    precision = true_positives / np.maximum(retrieved, 1)
    return true_positives, precision, _last(true_positives)


def area_under_roc(ranking: Ranking, weights: Weights) -> NDArray[np.float64]:
    """(B,) values of `ranking.roc_auc`; nan if no positive or no negative was drawn."""
    hits = ranking.hits(weights).astype(np.int64)
    true_positives = np.cumsum(hits, axis=1)
    positives = _last(true_positives)
    samples = ranking.ranked(weights)
    negatives = samples[:, -1] - positives
    above = samples[:, ranking.starts] - (true_positives - hits)
    through = samples[:, ranking.stops] - true_positives
    # A negative above a positive loses the pair; with equal scores it loses half. Counted twice, to stay in integers.
    lost_twice = (hits * (above + through)).sum(axis=1)
    pairs_twice = 2 * positives * negatives
    return _ratio(pairs_twice - lost_twice, pairs_twice)


def _last(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return counts[:, -1] if counts.shape[1] else np.zeros(len(counts), dtype=np.int64)


def _ratio(numerator: NDArray[np.int64] | NDArray[np.float64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    """The quotient; nan if the denominator is 0."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
