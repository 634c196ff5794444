"""Matches predictions with objects by the rules of COCO and LVIS, class by class.

The detection task makes the matches, and the metrics of this folder read them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation, Ints, places_in_runs
from vlmbench.metrics.detection.greedy import match_greedily

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
"""In square pixels, with both ends included. Thresholds and ranges are those of ``Params`` in pycocotools and lvis."""
COCO_PER_CLASS = 100
"""The most predictions of one class in one image that count (``maxDets``)."""
LVIS_PER_IMAGE = 300
"""The most predictions of all classes in one image that count (``max_dets``)."""


@dataclass(frozen=True)
class ClassMatches:
    """One class's D predictions in one range of areas, best score first, at T thresholds.

    Attributes:
        image: (D,) the image of each prediction.
        place: (D,) the place of each prediction among those of its class and image, from 0.
        matched: (T, D) whether the prediction is matched with an object.
        counted: (T, D) whether the prediction is a true or false positive, and not ignored.
        positives: (P,) the image of each object to find.
    """

    image: Ints
    place: Ints
    matched: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    positives: Ints


@dataclass(frozen=True)
class Matches:
    """Matches of every class that has an object.

    Attributes:
        images: the number of images.
        by_area: the name of a range of areas to each class's matches.
        objects: (C,) the number of objects to find in each class, of any size.
    """

    images: int
    by_area: dict[str, dict[int, ClassMatches]]
    objects: Ints


def match_boxes(truth: BoxTruth, found: BoxPredictions, federation: Federation | None = None) -> Matches:
    """Match predictions with objects, greedily by score, for each class and image, as pycocotools does.

    With a federation the rules are LVIS'. At most :data:`LVIS_PER_IMAGE` predictions count in an image, instead of
    :data:`COCO_PER_CLASS` in a class. Predictions of classes that are neither annotated in the image nor known to be
    absent do not count. Unmatched predictions of partly annotated classes are ignored. Source: lvis-dataset/lvis-api
    eval.py. That package itself is not used: its ``accumulate`` needs ``np.float``, which NumPy dropped in 1.24.

    If both have masks, overlaps and the areas of predictions are those of masks (``iouType="segm"``).

    Args:
        truth: the objects.
        found: the predictions. Those of classes without objects do not matter.
        federation: which classes are absent or partly annotated; None: COCO's rules.
    """
    found = _limited(found, truth, federation)
    order = np.lexsort((-found.score, found.image, found.label))  # a stable sort: equal scores keep their order
    found = found.rows(order)
    place = _places(found)
    if federation is None:
        keep = np.flatnonzero(place < COCO_PER_CLASS)
        found, place = found.rows(keep), place[keep]

    ranges = list(AREAS.values())
    to_find = np.stack([~truth.crowd & (truth.area >= low) & (truth.area <= high) for low, high in ranges])
    matched, counted = match_greedily(truth, found, to_find, IOU_THRESHOLDS)
    own_area = found.area
    partial = _in_pairs(found, federation.partial if federation is not None else frozenset())
    for row, (low, high) in enumerate(ranges):  # unmatched predictions are mistakes, except those of other sizes
        counted[row] |= ~matched[row] & (own_area >= low) & (own_area <= high) & ~partial
    return Matches(
        images=truth.images,
        by_area=_by_class(truth, found, place, matched, counted, to_find),
        objects=np.bincount(truth.label[~truth.crowd], minlength=truth.classes),
    )


def _by_class(
    truth: BoxTruth,
    found: BoxPredictions,
    place: Ints,
    matched: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    to_find: NDArray[np.bool_],
) -> dict[str, dict[int, ClassMatches]]:
    by_area: dict[str, dict[int, ClassMatches]] = {name: {} for name in AREAS}
    for label in np.unique(truth.label[to_find.any(axis=0)]).tolist():
        first, last = np.searchsorted(found.label, [label, label + 1]).tolist()
        order = first + np.argsort(-found.score[first:last], kind="stable")  # as pycocotools
        objects = np.flatnonzero(truth.label == label)
        for row, classes in enumerate(by_area.values()):
            positives = truth.image[objects[to_find[row, objects]]]
            if len(positives):
                classes[label] = ClassMatches(
                    image=found.image[order],
                    place=place[order],
                    matched=matched[row][:, order],
                    counted=counted[row][:, order],
                    positives=positives,
                )
    return by_area


def _limited(found: BoxPredictions, truth: BoxTruth, federation: Federation | None) -> BoxPredictions:
    if federation is None:
        return found
    order = np.lexsort((-found.score, found.image))
    images = found.image[order]
    place = places_in_runs(np.flatnonzero(np.diff(images, prepend=-1)), len(order))
    found = found.rows(np.sort(order[place < LVIS_PER_IMAGE]))
    known = federation.absent | set(zip(truth.image.tolist(), truth.label.tolist(), strict=True))
    return found.rows(np.flatnonzero(_in_pairs(found, known)))


def _in_pairs(found: BoxPredictions, pairs: frozenset[tuple[int, int]]) -> NDArray[np.bool_]:
    if not pairs:
        return np.zeros(len(found.image), dtype=bool)
    width = 1 + max(int(found.label.max(initial=0)), max(label for _, label in pairs))
    wanted = np.array([image * width + label for image, label in pairs])
    return np.isin(found.image * width + found.label, wanted)


def _places(found: BoxPredictions) -> Ints:
    """(D,) the place of each prediction among those of its class and image, which are neighbours."""
    changes = np.ones(len(found.image), dtype=bool)
    changes[1:] = (np.diff(found.image) != 0) | (np.diff(found.label) != 0)
    return places_in_runs(np.flatnonzero(changes), len(changes))
