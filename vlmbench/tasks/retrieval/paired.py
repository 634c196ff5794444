"""Computes the metrics of retrieval from tables of predictions. The gate and rankings use it to compare runs.

The bootstrap draws images together with their captions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import numbers, owners, row_bytes, runs
from vlmbench.answers.measured import Contributions, Measured, Pairing, SampleChanges, objects
from vlmbench.metrics.retrieval import (
    mean_rank_statistic,
    mean_recall_at_k_statistic,
    median_rank_statistic,
    recall_at_k_statistic,
)
from vlmbench.records import Summary
from vlmbench.tasks.retrieval.inspected import inspected

_COLUMNS = ("captions", "image_to_text_rank", "text_to_image_ranks")
_ANSWERS = ("image_to_text_rank", "text_to_image_ranks", "top_captions", "top_image")


def measured(record: Summary, table: pa.Table, metric: str) -> Measured | None:
    """A metric of a table; None if this kind of task does not know the metric."""
    if found := re.fullmatch(r"(image_to_text|text_to_image|mean)_recall@(\d+)", metric):
        return _recall(table, found[1], int(found[2]))
    if found := re.fullmatch(r"(image_to_text|text_to_image)_(median|mean)_rank", metric):
        return _rank(table, found[1], found[2])
    return None


def _recall(table: pa.Table, direction: str, k: int) -> Measured:
    images, captions, owner = ranks(table)
    n = len(images)
    image_hits, caption_hits = images <= k, np.bincount(owner, weights=captions <= k, minlength=n)
    if direction == "image_to_text":
        return Measured(n, recall_at_k_statistic(images, np.arange(n), k), image_hits, right=image_hits)
    if direction == "text_to_image":
        recall = recall_at_k_statistic(captions, owner, k)
        return Measured(n, recall, caption_hits, right=caption_hits > 0 if len(captions) == n else None)
    seen = np.stack([image_hits, caption_hits], axis=1)
    return Measured(n, mean_recall_at_k_statistic(images, captions, owner, k), seen)


def _rank(table: pa.Table, direction: str, kind: str) -> Measured:
    images, captions, owner = ranks(table)
    n = len(images)
    make = mean_rank_statistic if kind == "mean" else median_rank_statistic
    if direction == "image_to_text":
        return Measured(n, make(images, np.arange(n)), images, largest=len(captions) - 1)
    return Measured(n, make(captions, owner), objects(row_bytes(table, "text_to_image_ranks")), largest=n - 1)


def ranks(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(I,) the ranks of images, (M,) the ranks of captions, and (M,) the image of each caption."""
    captions, lengths = runs(table, "text_to_image_ranks")
    return numbers(table, "image_to_text_rank").astype(np.int64), captions.astype(np.int64), owners(lengths)


def contributions(metric: str) -> Contributions | None:
    """The contribution of each image, together with its captions, to a recall. None if the metric is not a recall."""
    found = re.fullmatch(r"(image_to_text|text_to_image|mean)_recall@(\d+)", metric)
    if found is None:
        return None
    return Contributions(
        ("image_to_text_rank", "text_to_image_ranks"), lambda table: _hit_shares(table, found[1], int(found[2]))
    )


def _hit_shares(table: pa.Table, direction: str, k: int) -> NDArray[np.float64]:
    image_ranks, caption_ranks, owner = ranks(table)
    images = np.asarray(image_ranks <= k, dtype=float)
    hits = np.bincount(owner, weights=caption_ranks <= k, minlength=len(images))
    captions = hits * len(images) / max(len(owner), 1)
    shares: dict[str, NDArray[np.float64]] = {
        "image_to_text": images,
        "text_to_image": captions,
        "mean": (images + captions) / 2,
    }
    return shares[direction]


def changes(baseline: pa.Table, candidate: pa.Table, class_names: Sequence[str]) -> SampleChanges | None:
    """How far the rank of each image's best own caption moved. None if a table lacks these ranks."""
    if not all("image_to_text_rank" in table.column_names for table in (baseline, candidate)):
        return None
    before, after = (numbers(table, "image_to_text_rank").astype(float) for table in (baseline, candidate))
    # Logarithms, because a fall from rank 1 to 5 is worse than a fall from rank 101 to 105.
    return SampleChanges(
        np.log(before) - np.log(after), lambda row: f"rank {before[row]:.0f}", lambda row: f"rank {after[row]:.0f}"
    )


PAIRING = Pairing(
    measured,
    columns=_COLUMNS,
    answers=_ANSWERS,
    ranked=True,
    contributions=contributions,
    changes=changes,
    inspected=inspected,
)
