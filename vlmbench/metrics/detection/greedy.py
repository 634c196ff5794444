"""Matches predictions as pycocotools does, for all images, classes, ranges of areas and thresholds at once.

Predictions of one class in one image choose objects in turn, the best prediction first. Other images and classes have
other objects. So the first predictions of all images and classes choose together, then all second ones, and so on. The
number of steps is the largest number of predictions of one class in one image that overlap an object, and each step
takes a few calls of NumPy. :mod:`.matching` uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Floats, Ints, places_in_runs
from vlmbench.run_lengths import overlaps

ALMOST_ONE = 1 - 1e-10
"""The highest threshold in use, as in ``evaluateImg`` of pycocotools."""
PAIRS_AT_ONCE = 2**18
"""The number of overlaps to compute at once, so that memory does not grow with the number of boxes in an image."""


@dataclass(frozen=True)
class _Pairs:
    """P pairs of a prediction and an object of the same image and class that overlap enough for at least one threshold.

    They are sorted by step, then by prediction. The preferred object of a prediction comes last.

    Attributes:
        prediction: (P,) the row of the prediction.
        object: (P,) the row of the object.
        reached: (P,) the number of thresholds (in ascending order) that the overlap reaches.
        step: (P,) the step in which the prediction chooses.
    """

    prediction: Ints
    object: Ints
    reached: Ints
    step: Ints


def match_greedily(
    truth: BoxTruth, found: BoxPredictions, wanted: NDArray[np.bool_], thresholds: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which predictions are matched with an object, and whether that object counts as one to find.

    A prediction takes the free object with the largest overlap at or above the threshold; of equal overlaps, the last
    one. Objects to find come before all others, and a crowd stays free. Source: ``evaluateImg`` of
    pycocotools' ``COCOeval``, and ``bbIou`` of its ``maskApi.c``.

    Args:
        truth: G objects.
        found: D predictions. Those of one class and image are neighbours, the best first.
        wanted: (A, G) whether each object is one to find, in each of A ranges of areas.
        thresholds: (T,) ascending.

    Returns:
        Two arrays (A, T, D): whether the prediction is matched; whether it is matched with an object to find.
    """
    areas, levels = len(wanted), len(thresholds)
    matched = np.zeros((areas, levels, len(found.image)), dtype=bool)
    right = np.zeros_like(matched)
    pairs = _pairs(truth, found, np.minimum(thresholds, ALMOST_ONE))
    taken = np.zeros((len(truth.image), areas, levels), dtype=bool)
    first = np.ascontiguousarray(wanted.T)[:, :, None]
    for part in _steps(pairs):
        prediction, objects = pairs.prediction[part], pairs.object[part]
        begins = np.flatnonzero(np.diff(prediction, prepend=-1))
        count = len(objects)
        rank = np.arange(1, count + 1)[:, None, None] + count * first[objects]  # objects to find before the others
        free = ~taken[objects] | truth.crowd[objects, None, None]
        free &= (pairs.reached[part, None] > np.arange(levels))[:, None, :]
        best = np.maximum.reduceat(np.where(free, rank, 0), begins, axis=0)
        row, area, level = np.nonzero(best)
        best = best[row, area, level] - 1
        chosen, row = objects[best % count], prediction[begins][row]
        taken[chosen, area, level] = True
        matched[area, level, row] = True
        right[area, level, row] = best >= count
    return matched, right


def _pairs(truth: BoxTruth, found: BoxPredictions, thresholds: Floats) -> _Pairs:
    own = truth.image * truth.classes + truth.label
    order = np.argsort(own, kind="stable")
    inside = (found.label >= 0) & (found.label < truth.classes)
    asked = np.where(inside, found.image * truth.classes + found.label, -1)
    starts = np.searchsorted(own[order], asked, side="left")
    counts = np.searchsorted(own[order], asked, side="right") - starts
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for rows in _blocks(counts):
        prediction = np.repeat(rows, counts[rows])
        objects = order[np.arange(len(prediction)) + np.repeat(_shifts(starts[rows], counts[rows]), counts[rows])]
        overlap = _of_pairs(truth, found, prediction, objects)
        enough = overlap >= thresholds[0]
        parts.append((prediction[enough], objects[enough], overlap[enough]))
    prediction, objects, overlap = (np.concatenate(column) for column in zip(*parts, strict=True))
    step = _places(prediction, asked)
    order = np.lexsort((objects, overlap, prediction, step))
    reached = np.searchsorted(thresholds, overlap, side="right")
    return _Pairs(prediction[order], objects[order], reached[order], step[order])


def _of_pairs(truth: BoxTruth, found: BoxPredictions, prediction: Ints, objects: Ints) -> Floats:
    """(P,) overlaps of pairs, which are sorted by prediction. A prediction's objects are all of its image and class."""
    if truth.masks is None or found.masks is None:
        return _overlaps(found.xywh[prediction], truth.xywh[objects], truth.crowd[objects])
    result = np.empty(len(prediction))
    group = truth.image[objects] * truth.classes + truth.label[objects]
    ends = np.flatnonzero(np.diff(group, append=-1)) + 1
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        of_group = np.unique(objects[start:end])
        asked = prediction[start : end : len(of_group)]
        shared = overlaps(found.masks[asked].tolist(), truth.masks[of_group].tolist(), truth.crowd[of_group])
        result[start:end] = shared.ravel()
    return result


def _overlaps(boxes: Floats, objects: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """Intersection over union of (P, 4) boxes and P objects. For a crowd, the union is the area of the box."""
    low = np.maximum(boxes[:, :2], objects[:, :2])
    high = np.minimum(boxes[:, 2:] + boxes[:, :2], objects[:, 2:] + objects[:, :2])
    sides = high - low
    both = sides[:, 0] * sides[:, 1]
    area = boxes[:, 2] * boxes[:, 3]
    whole = np.where(crowd, area, area + objects[:, 2] * objects[:, 3] - both)
    overlap = np.zeros(len(boxes))
    np.divide(both, whole, out=overlap, where=(sides > 0).all(axis=1))
    return overlap


def _places(prediction: Ints, group: Ints) -> Ints:
    """(P,) the place of each pair's prediction among the predictions of its group that have a pair."""
    having, pair = np.unique(prediction, return_inverse=True)
    begins = np.flatnonzero(np.diff(group[having], prepend=-1))
    place: Ints = places_in_runs(begins, len(having))[pair]
    return place


def _steps(pairs: _Pairs) -> Iterator[slice]:
    ends = np.flatnonzero(np.diff(pairs.step, append=-1)) + 1
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False):
        yield slice(start, end)


def _blocks(counts: Ints) -> Iterator[Ints]:
    """Blocks of the rows with pairs. A block has about :data:`PAIRS_AT_ONCE` pairs."""
    rows = np.flatnonzero(counts)
    block = np.cumsum(counts[rows]) // PAIRS_AT_ONCE
    yield from np.split(rows, np.flatnonzero(np.diff(block)) + 1)


def _shifts(starts: Ints, counts: Ints) -> Ints:
    """The number to add to the running number of each row's pairs to get the places of its objects."""
    return starts - (np.cumsum(counts) - counts)
