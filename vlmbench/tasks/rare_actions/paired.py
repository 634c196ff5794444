"""Computes RareAct's metrics from tables of predictions. The gate and rankings use it to compare runs.

The bootstrap draws whole videos.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import column, numbers, rows
from vlmbench.answers.measured import ClassStatistics, Measured, Pairing
from vlmbench.answers.rounding import Scores
from vlmbench.errors import UnpairableError
from vlmbench.metrics.rare_actions import (
    ActionRows,
    action_rows,
    drawn_videos,
    mean_weighted_average_precision_statistic,
    weighted_average_precision_statistics,
)
from vlmbench.records import Summary
from vlmbench.tasks.rare_actions.inspected import inspected

_COLUMNS = ("label", "annotation", "video", "verb", "noun", "scores")
_ANSWERS = ("scores",)


def measured(record: Summary, table: pa.Table, metric: str) -> Measured | None:
    """A metric of a table; None if this kind of task does not know the metric.

    Raises:
        UnpairableError: the metric is msap, which draws clips at random.
    """
    if metric == "msap":
        raise UnpairableError(
            f"{record.task.name}: msap draws one clip of each video at random, so two runs cannot be compared "
            "sample by sample",
            hint="Compare mwap instead. It uses all clips, and the clips of one video share a weight.",
        )
    if metric != "mwap":
        return None
    scores = rows(table, "scores").astype(np.float32)
    ranked = _ranked(table, scores.shape[1])
    videos = drawn_videos(ranked)
    seen = _seen(scores, ranked, videos)
    shown = np.stack([np.isin(videos, each.videos) for each in ranked], axis=1)
    return Measured(
        len(videos),
        mean_weighted_average_precision_statistic(scores, ranked),
        seen,
        classes=lambda: ClassStatistics(
            "weighted_average_precision",
            weighted_average_precision_statistics(scores, ranked),
            seen,
            shown.sum(axis=0),
        ),
    )


def _ranked(table: pa.Table, classes: int) -> list[ActionRows]:
    """The rows to rank, for each action that at least one clip shows. Videos are numbered in the order of the table."""
    labels = numbers(table, "label").astype(np.int64)
    # An action without clips in the table ranks nothing. It only needs words that no other action has.
    verbs, nouns = ([f"\0{label}" for label in range(classes)] for _ in range(2))
    for label, verb, noun in zip(labels, *(column(table, name).to_pylist() for name in ("verb", "noun")), strict=True):
        verbs[label], nouns[label] = verb, noun
    names = column(table, "video").to_pylist()
    known = {name: place for place, name in enumerate(dict.fromkeys(names))}
    videos = np.array([known[name] for name in names], dtype=np.int64)
    return action_rows(labels, numbers(table, "annotation").astype(np.int64), videos, verbs, nouns)


def _seen(scores: NDArray[np.float32], ranked: Sequence[ActionRows], videos: NDArray[np.int64]) -> NDArray[np.object_]:
    """(V, A) for each video and each action in ``ranked``: the scores of the video's rows for the action, as bytes."""
    seen = np.full((len(videos), len(ranked)), b"", dtype=object)
    for place, each in enumerate(ranked):
        order = np.argsort(each.videos, kind="stable")
        own, starts = np.unique(each.videos[order], return_index=True)
        parts = np.split(scores[each.rows[order], each.action], starts[1:])
        seen[np.searchsorted(videos, own), place] = [part.tobytes() for part in parts]
    return seen


PAIRING = Pairing(
    measured, columns=_COLUMNS, answers=_ANSWERS, scores=(Scores("scores"),), ranked=True, inspected=inspected
)
