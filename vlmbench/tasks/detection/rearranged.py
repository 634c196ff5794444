"""Puts the detections of a second run into the order of the first run, if the two differ only by rounding.

Rounding can change the order of detections whose scores are nearly equal. Comparisons of runs use it (``paired.py``).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import boxes, owners, runs
from vlmbench.answers.rounding import TOLERANCE, distances

_LISTS = ("boxes", "scores", "labels")


def rearranged(baseline: pa.Table, candidate: pa.Table) -> pa.Table:
    """The candidate's table, with the detections of each image in the baseline's order.

    The table is returned unchanged if the detections of an image differ by more than rounding: their number, a label, a
    box or a score.
    """
    (labels, lengths), (others, theirs) = runs(baseline, "labels"), runs(candidate, "labels")
    if not np.array_equal(lengths, theirs):
        return candidate
    score, other_score = (runs(table, "scores")[0].astype(np.float64) for table in (baseline, candidate))
    corners, other_corners = boxes(baseline, "boxes"), boxes(candidate, "boxes")
    if not len(score) == len(other_score) == len(corners) == len(other_corners) == len(labels):
        return candidate
    if (distances(score, other_score, lengths, "probability") > TOLERANCE).any():
        return candidate  # both are sorted by score, so rounding alone cannot cause this
    moved = (distances(corners.ravel(), other_corners.ravel(), 4 * lengths, "box") > TOLERANCE).reshape(-1, 4)
    unlike = np.flatnonzero(moved.any(axis=1) | (labels != others))
    order = np.arange(len(labels))
    image = owners(lengths)
    for places in np.split(unlike, np.flatnonzero(np.diff(image[unlike])) + 1):
        free = list(places)
        for place in places:
            same = np.array(free, dtype=np.intp)
            near = _near(score[place], other_score[same], corners[place], other_corners[same])
            found = same[near & (others[same] == labels[place])]
            if not len(found):
                return candidate
            order[place] = found[0]
            free.remove(found[0])
    return _taken(candidate, order) if len(unlike) else candidate


def _near(
    score: np.float64, scores: NDArray[np.float64], corner: NDArray[np.float64], corners: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(F,) whether each of F detections equals this one except for rounding."""
    each = np.ones(len(scores), dtype=np.int64)
    apart = distances(np.full(len(scores), score), scores, each, "probability")
    moved = distances(np.tile(corner, len(scores)), corners.ravel(), 4 * each, "box").reshape(-1, 4)
    return np.asarray((apart <= TOLERANCE) & (moved <= TOLERANCE).all(axis=1))


def _taken(table: pa.Table, order: NDArray[np.intp]) -> pa.Table:
    for name in (*_LISTS, *(["masks"] if "masks" in table.column_names else [])):
        lists = table[name].combine_chunks()
        lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
        offsets = np.concatenate([[0], np.cumsum(np.asarray(lists.value_lengths()))])
        items = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), lists.flatten().take(pa.array(order)))
        table = table.set_column(table.column_names.index(name), name, items)
    return table
