"""Computes RareAct's mean weighted and mean sampled average precision, which count each video once.

The task kind ``rare_actions`` uses it. For each action only some rows are ranked: the clips that were annotated for it,
and the positive clips of all other actions. Clips of one video are nearly copies, so that plain average precision would
count some videos many times.

Scores are (N, C): of each row for each action. ``ranked`` comes from :func:`action_rows`. A ValueError names what is
wrong: no rows, no action with a positive, or a NaN score.

Source: A. Miech et al., "RareAct: A video dataset of unusual interactions", arXiv 2008.01018 (2020);
antoine77340/RareAct `compute_score.py`, which gives the same numbers, apart from its unseeded sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.inputs import FloatArray, IntArray, class_indices, real_scores, same_length
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics, Weights
from vlmbench.metrics.jackknife import jackknife_estimate

NEGATIVE, POSITIVE = 0, 1
"""Annotations of a clip for its action. Higher values are hard negatives: only the verb is right, only the noun is, or
both occur but not together."""

SAMPLINGS = 100  # the authors' README: "mSAP (n=100)"


@dataclass(frozen=True)
class ActionRows:
    """The R rows that are ranked for one action.

    Attributes:
        action: the action's index.
        rows: (R,) the indices of the rows.
        positive: (R,) whether each row shows the action.
        videos: (R,) the video of each row.
        units: (R,) 0 ... U - 1: rows of one video in one group (positive, negative, hard negative) form one unit.
    """

    action: int
    rows: NDArray[np.int64]
    positive: NDArray[np.bool_]
    videos: NDArray[np.int64]
    units: NDArray[np.int64]

    @property
    def weights(self) -> NDArray[np.float64]:
        """(R,): the rows of a unit share a weight of 1."""
        return 1 / np.bincount(self.units)[self.units]


def action_rows(
    actions: IntArray, annotations: IntArray, videos: IntArray, verbs: Sequence[str], nouns: Sequence[str]
) -> list[ActionRows]:
    """The rows to rank, for each action that has a positive.

    For an action, positives of an action with the same verb or noun are hard negatives. Positives of all other actions
    are negatives.

    Args:
        actions: (N,) the action that each row was annotated for.
        annotations: (N,) 0: negative, 1: positive, above 1: hard negative.
        videos: (N,) the video of each row.
        verbs: C, the verb of each action.
        nouns: C, the noun of each action. No two actions share both words.

    Raises:
        ValueError: no rows, lengths that differ, an index out of range, or two actions with the same words.
    """
    asked = class_indices(actions, "actions", num_classes=len(verbs))
    marks = class_indices(annotations, "annotations")
    video_of = class_indices(videos, "videos")
    same_length(actions=asked, annotations=marks, videos=video_of)
    if len(set(zip(verbs, nouns, strict=True))) != len(verbs):
        raise ValueError("two actions have the same verb and noun")
    verb_of, noun_of = np.asarray(verbs)[asked], np.asarray(nouns)[asked]
    ranked = []
    for action in np.unique(asked[marks == POSITIVE]).tolist():
        own, shown_elsewhere = asked == action, (asked != action) & (marks == POSITIVE)
        related = (verb_of == verbs[action]) | (noun_of == nouns[action])
        positive = own & (marks == POSITIVE)
        hard = (own & (marks > POSITIVE)) | (shown_elsewhere & related)
        rows = np.flatnonzero(own | shown_elsewhere)
        group = np.where(positive, 0, np.where(hard, 1, 2))[rows]
        _, units = np.unique(group * (video_of.max() + 1) + video_of[rows], return_inverse=True)
        ranked.append(ActionRows(action, rows, positive[rows], video_of[rows], units))
    return ranked


def weighted_average_precision(scores: FloatArray, rows: ActionRows) -> float:
    """The average precision of one action. The rows of one video in one group share a weight of 1.

    The scores are (N,): of each row for this action. Equals `sklearn.metrics.average_precision_score` with those
    sample weights.
    """
    return float(_areas(real_scores(scores, "scores")[rows.rows], rows.positive, rows.weights[None])[0])


def mean_weighted_average_precision(
    scores: FloatArray, ranked: Sequence[ActionRows], *, seed: int = 0, interval: bool = True
) -> Estimate:
    """mWAP: `weighted_average_precision` averaged over the actions with a positive.

    The interval is for the value on unlimited videos of the same kind, over the actions that have a positive in these
    rows. The jackknife leaves out whole videos, not single rows.
    """
    statistic = mean_weighted_average_precision_statistic(scores, ranked)
    videos = len(drawn_videos(ranked))
    estimate = jackknife_estimate(
        statistic,
        videos,
        undefined="no clip shows its action",
        units="videos",
        seed=seed,
        interval=interval,
    )
    return replace(estimate, n=len(scores))


def drawn_videos(ranked: Sequence[ActionRows]) -> NDArray[np.int64]:
    """(V,) the videos that are ranked for some action, ascending: the bootstrap draws them."""
    return np.unique(np.concatenate([rows.videos for rows in ranked]))


def mean_weighted_average_precision_statistic(scores: FloatArray, ranked: Sequence[ActionRows]) -> WeightedStatistic:
    """mWAP of draws of videos: (B, V) counts to (B,). Actions without a drawn video of a positive do not count."""
    each = weighted_average_precision_statistics(scores, ranked)

    def mean(weights: Weights) -> NDArray[np.float64]:
        values = each(weights)
        defined = ~np.isnan(values)
        total: NDArray[np.float64] = np.nansum(values, axis=1) / np.maximum(defined.sum(axis=1), 1)
        return np.where(defined.any(axis=1), total, np.nan)

    return mean


def weighted_average_precision_statistics(scores: FloatArray, ranked: Sequence[ActionRows]) -> WeightedStatistics:
    """`weighted_average_precision` of each of A ranked actions: (B, V) counts of videos to (B, A)."""
    columns = _checked(scores, ranked)
    drawn = drawn_videos(ranked)
    places = [np.searchsorted(drawn, rows.videos) for rows in ranked]

    def each(weights: Weights) -> NDArray[np.float64]:
        values = [
            _areas(columns[rows.rows, rows.action], rows.positive, weights[:, place] * rows.weights)
            for rows, place in zip(ranked, places, strict=True)
        ]
        return np.stack(values, axis=1)

    return each


def mean_sampled_average_precision(
    scores: FloatArray, ranked: Sequence[ActionRows], *, seed: int = 0, samplings: int = SAMPLINGS
) -> Estimate:
    """mSAP: average precision with one random row for each video and group, averaged over samplings, then over actions.

    The sampling is the authors', with a seed. There is no interval: the spread over samplings does not show the spread
    over other videos.

    Raises:
        ValueError: samplings below 1, or a reason that the module names.
    """
    columns = _checked(scores, ranked)
    if samplings < 1:
        raise ValueError(f"sampled average precision needs at least one sampling, got {samplings}")
    random = np.random.default_rng(seed)
    values = []
    for rows in ranked:
        order = np.argsort(rows.units, kind="stable")
        sizes = np.bincount(rows.units)
        first = np.cumsum(sizes) - sizes
        picked = order[first + (random.random((samplings, len(sizes))) * sizes).astype(np.int64)]
        weights = np.zeros((samplings, len(rows.rows)))
        np.put_along_axis(weights, picked, 1.0, axis=1)
        values.append(_areas(columns[rows.rows, rows.action], rows.positive, weights).mean())
    return Estimate(float(np.mean(values)), None, None, len(columns), "it has no interval by definition; see mwap")


def _checked(scores: FloatArray, ranked: Sequence[ActionRows]) -> NDArray[np.float64]:
    columns = real_scores(scores, "scores", ndim=2)
    if not ranked:
        raise ValueError("no action has a positive")
    return columns


def _areas(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(B,) average precisions for (B, R) weights. Equal scores form one threshold. nan if no positive has a weight."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    ranked = weights[:, order]
    retrieved = np.cumsum(ranked, axis=1)[:, ends]
    hits = np.cumsum(ranked * positive[order], axis=1)[:, ends]
    precision = np.divide(hits, retrieved, out=np.zeros_like(hits), where=retrieved > 0)
    area = (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1)
    total = hits[:, -1]
    average: NDArray[np.float64] = np.divide(area, total, out=np.full(len(total), np.nan), where=total > 0)
    return average
