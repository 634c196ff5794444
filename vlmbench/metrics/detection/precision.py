"""Computes average precision and recall of one class from its matches, for many weightings of the images at once.

COCO's average precision depends only on the places in the ranking where an object is found: between two such places,
precision falls and recall stays. So a resample needs the number of predictions up to each such place, not the whole
curve. :mod:`.measures` and the detection task use it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.detection.boxes import Floats, Ints
from vlmbench.metrics.detection.matching import ClassMatches

RECALLS = np.linspace(0.0, 1.0, 101)
"""The recalls at which precision is taken: ``recThrs`` of pycocotools."""


def average_precisions(matches: ClassMatches, draws: NDArray[np.int32]) -> Floats:
    """COCO's average precision for any weights of the images.

    The precision at a recall is the highest precision at this recall or above; it is averaged over 101 recalls. With
    weights of 1 it equals pycocotools' ``accumulate`` up to rounding.

    Args:
        matches: the matches of one class.
        draws: (I, B) the weight of each image in each of B resamples. With images first, the weights of one image are
            neighbours in memory.

    Returns:
        (B, T); nan if no object was drawn.
    """
    positives = draws[matches.positives].sum(axis=0, dtype=np.int64)
    hits = matches.matched & matches.counted
    places = np.flatnonzero(hits.any(axis=0))
    values = np.zeros((draws.shape[1], len(hits)))
    if len(places):
        always, ever = matches.counted.all(axis=0), matches.counted.any(axis=0)
        up_to = _counts_up_to(places, np.flatnonzero(always), matches.image, draws)
        sometimes = ever & ~always
        for threshold in range(len(hits)):
            own = hits[threshold, places]
            if not own.any():
                continue
            counted = up_to[:, own]
            others = np.flatnonzero(sometimes & matches.counted[threshold])
            if len(others):
                counted = counted + _counts_up_to(places[own], others, matches.image, draws)
            found = _summed(draws[matches.image[places[own]]])
            values[:, threshold] = _interpolated(found, counted, positives)
    values[positives == 0] = np.nan
    return values


def recalls(matches: ClassMatches, draws: NDArray[np.int32], per_class: int | None = None) -> Floats:
    """The share of objects that are found, for any weights of the images.

    Args:
        matches: the matches of one class.
        draws: (I, B), as for :func:`average_precisions`.
        per_class: the number of best predictions of each image that count; None: all.

    Returns:
        (B, T); nan if no object was drawn.
    """
    hits = matches.matched & matches.counted
    if per_class is not None:
        hits &= matches.place < per_class
    positives = draws[matches.positives].sum(axis=0, dtype=np.int64)
    found = np.stack([draws[matches.image[row]].sum(axis=0, dtype=np.int64) for row in hits], axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(positives[:, None] > 0, found / positives[:, None], np.nan)


def _counts_up_to(places: Ints, chosen: Ints, image: Ints, draws: NDArray[np.int32]) -> NDArray[np.int32]:
    """The weight of all counted predictions up to and including each place.

    Args:
        places: (P,) ascending.
        chosen: (M,) the predictions that count, ascending.
        image: (D,) the image of each prediction.
        draws: (I, B) weights.

    Returns:
        (B, P).
    """
    drawn = draws[image[chosen]]
    ends = np.searchsorted(chosen, places, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    sums = np.zeros((len(places), draws.shape[1]), dtype=np.int32)
    filled = ends > starts
    if filled.any():
        # reduceat sums from each start to the next. The sum behind the last place is not needed.
        sums[filled] = np.add.reduceat(drawn[: ends[-1]], starts[filled], axis=0, dtype=np.int32)
    return _summed(sums)


def _summed(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """(P, B) to running sums (B, P). They are transposed first: NumPy is several times faster along the last axis."""
    return np.ascontiguousarray(rows.T).cumsum(axis=1, dtype=np.int32)


def _interpolated(found: NDArray[np.int32], counted: NDArray[np.int32], positives: NDArray[np.int64]) -> Floats:
    """From (B, P) found objects and counted predictions up to each place to (B,) average precisions."""
    precision = found / (counted + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = found / np.maximum(positives, 1)[:, None]
    # The number of the 101 recalls that are reached. A recall that equals a hundredth reaches it.
    nearest = np.rint(recall * (len(RECALLS) - 1)).astype(np.intp)
    reached = nearest + (RECALLS[nearest] <= recall)
    newly = np.diff(reached, axis=1, prepend=0)
    result: Floats = np.einsum("bp,bp->b", precision, newly) / len(RECALLS)
    return result
