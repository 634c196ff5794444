"""Average precision and recall of one class from its matches, for many weightings of the images at once.

COCO's average precision only looks at places where an object is found: between two of them precision falls, and recall
stands still. So a resample needs the number of predictions up to each such place, not a curve over all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.detection.boxes import Floats, Ints
from vlmbench.metrics.detection.matching import ClassMatches

RECALLS = np.linspace(0.0, 1.0, 101)
"""At which precision is read off: ``recThrs`` of pycocotools."""


def average_precisions(matches: ClassMatches, draws: NDArray[np.int32]) -> Floats:
    """COCO's average precision, with every image counted as often as it was drawn.

    Precision at a recall is the highest at that recall or above, averaged over 101 recalls. With weights of one it is
    pycocotools' ``accumulate`` to rounding.

    Args:
        matches: of one class.
        draws: (I, B) how often each image was drawn in each of B resamples. In this order, all that is gathered of an
            image lies side by side.

    Returns:
        (B, T), nan where no object was drawn.
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
    """The share of objects that is found, with every image counted as often as it was drawn.

    Args:
        matches: of one class.
        draws: (I, B), as for :func:`average_precisions`.
        per_class: only so many of the best predictions of each image; None: all.

    Returns:
        (B, T), nan where no object was drawn.
    """
    hits = matches.matched & matches.counted
    if per_class is not None:
        hits &= matches.place < per_class
    positives = draws[matches.positives].sum(axis=0, dtype=np.int64)
    found = np.stack([draws[matches.image[row]].sum(axis=0, dtype=np.int64) for row in hits], axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(positives[:, None] > 0, found / positives[:, None], np.nan)


def _counts_up_to(places: Ints, chosen: Ints, image: Ints, draws: NDArray[np.int32]) -> NDArray[np.int32]:
    """How often predictions were drawn up to each place, itself included.

    Args:
        places: (P,) ascending.
        chosen: (M,) ascending: the predictions that count.
        image: (D,) of every prediction.
        draws: (I, B).

    Returns:
        (B, P).
    """
    drawn = draws[image[chosen]]
    ends = np.searchsorted(chosen, places, side="right")
    starts = np.concatenate([[0], ends[:-1]])
    sums = np.zeros((len(places), draws.shape[1]), dtype=np.int32)
    filled = ends > starts
    if filled.any():
        # reduceat sums from each start to the next; behind the last place nothing is wanted.
        sums[filled] = np.add.reduceat(drawn[: ends[-1]], starts[filled], axis=0, dtype=np.int32)
    return _summed(sums)


def _summed(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """(P, B) to running sums (B, P). Transposed first: NumPy runs along the last axis several times as fast."""
    return np.ascontiguousarray(rows.T).cumsum(axis=1, dtype=np.int32)


def _interpolated(found: NDArray[np.int32], counted: NDArray[np.int32], positives: NDArray[np.int64]) -> Floats:
    """(B, P) objects found and predictions counted up to each place to (B,) average precisions."""
    precision = found / (counted + np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = found / np.maximum(positives, 1)[:, None]
    # How many of the 101 recalls are reached: the nearest hundredth decides, its exact value included.
    nearest = np.rint(recall * (len(RECALLS) - 1)).astype(np.intp)
    reached = nearest + (RECALLS[nearest] <= recall)
    newly = np.diff(reached, axis=1, prepend=0)
    result: Floats = np.einsum("bp,bp->b", precision, newly) / len(RECALLS)
    return result
