"""Which prediction finds which object: pycocotools' own matching, asked only where there is something to match."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation, Ints

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
"""Square pixels, both ends included; thresholds and ranges are those of pycocotools' and lvis' ``Params``."""
COCO_PER_CLASS = 100
"""Predictions of one class in one image that count (``maxDets``)."""
LVIS_PER_IMAGE = 300
"""Predictions of all classes in one image that count (``max_dets``)."""


@dataclass(frozen=True)
class ClassMatches:
    """One class's D predictions in one range of areas, best score first, at T thresholds.

    Attributes:
        image: (D,) of each prediction.
        place: (D,) its place among those of its class and image, from 0.
        matched: (T, D) it found an object.
        counted: (T, D) it is a true or a false positive, not ignored.
        positives: (P,) the image of each object that is to be found.
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
        images: how many there are.
        by_area: name of the range to class to its matches.
        objects: (C,) objects to be found of each class, of any size.
    """

    images: int
    by_area: dict[str, dict[int, ClassMatches]]
    objects: Ints


def match_boxes(truth: BoxTruth, found: BoxPredictions, federation: Federation | None = None) -> Matches:
    """Match predictions with objects, greedily by score, class by class and image by image.

    Where an image has objects of a class, ``pycocotools.cocoeval.COCOeval`` computes the overlaps and the matches.
    Where it has none there is nothing to match, and that is most of the work of a plain ``evaluate()``. Objects are
    numbered anew: pycocotools takes a match with an object of id 0 for none.

    With a federation the rules are LVIS': at most :data:`LVIS_PER_IMAGE` predictions an image instead of
    :data:`COCO_PER_CLASS` a class; those of classes that are neither annotated in the image nor known to be absent do
    not count, and unmatched ones of partly annotated classes are ignored. Source: lvis-dataset/lvis-api eval.py. That
    package itself is not used: its ``accumulate`` needs ``np.float``, which NumPy dropped in 1.24.

    Args:
        truth: the objects.
        found: the predictions; those of classes without any object have no influence.
        federation: what is known of absent and partly annotated classes; None: COCO's rules.
    """
    found = _limited(found, truth, federation)
    order = np.lexsort((-found.score, found.image, found.label))  # stable: equal scores keep their order
    found = _rows(found, order)
    starts = _group_starts(found)
    sizes = np.diff(np.append(starts, len(order)))
    place = np.arange(len(order)) - np.repeat(starts, sizes)
    if federation is None:
        keep = place < COCO_PER_CLASS
        found, place = _rows(found, np.flatnonzero(keep)), place[keep]
        starts = _group_starts(found)
        sizes = np.diff(np.append(starts, len(place)))

    areas = list(AREAS.values())
    matched = np.zeros((len(areas), len(IOU_THRESHOLDS), len(place)), dtype=bool)
    ignored = np.zeros_like(matched)
    own_area = found.xywh[:, 2] * found.xywh[:, 3]
    partial = _in_pairs(found, federation.partial if federation is not None else frozenset())
    for row, (low, high) in enumerate(areas):
        ignored[row] = (own_area < low) | (own_area > high) | partial
    _match_groups(truth, found, starts, sizes, matched, ignored, partial)
    to_find = np.stack([~truth.crowd & (truth.area >= low) & (truth.area <= high) for low, high in areas])
    return Matches(
        images=truth.images,
        by_area={
            name: _by_class(truth, found, place, matched[row], ~ignored[row], to_find[row])
            for row, name in enumerate(AREAS)
        },
        objects=np.bincount(truth.label[~truth.crowd], minlength=truth.classes),
    )


def _match_groups(
    truth: BoxTruth,
    found: BoxPredictions,
    starts: Ints,
    sizes: Ints,
    matched: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    partial: NDArray[np.bool_],
) -> None:
    """Fill in the columns of every group (class and image) that has objects."""
    from pycocotools.cocoeval import COCOeval

    evaluator = COCOeval(iouType="bbox")
    evaluator.params.maxDets = [max(len(partial), 1)]  # the limits are applied already
    objects: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in range(len(truth.image)):
        crowd = int(truth.crowd[row])
        objects.setdefault((int(truth.image[row]), int(truth.label[row])), []).append(
            {
                "id": row + 1,
                "bbox": truth.xywh[row].tolist(),
                "area": float(truth.area[row]),
                "iscrowd": crowd,
                "ignore": crowd,
            }
        )
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        group = (int(found.image[start]), int(found.label[start]))
        if group not in objects:
            continue
        span = slice(start, start + size)
        rows = zip(found.xywh[span].tolist(), found.score[span].tolist(), strict=True)
        evaluator._gts = {group: objects[group]}
        evaluator._dts = {
            group: [
                {"id": number, "bbox": box, "score": score, "area": box[2] * box[3]}
                for number, (box, score) in enumerate(rows, 1)
            ]
        }
        evaluator.ious = {group: evaluator.computeIoU(*group)}
        for area, limits in enumerate(AREAS.values()):
            result = evaluator.evaluateImg(*group, limits, size)
            matched[area][:, span] = result["dtMatches"] > 0
            ignored[area][:, span] = result["dtIgnore"].astype(bool) | (partial[span] & (result["dtMatches"] == 0))


def _by_class(
    truth: BoxTruth,
    found: BoxPredictions,
    place: Ints,
    matched: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    to_find: NDArray[np.bool_],
) -> dict[int, ClassMatches]:
    classes = {}
    for label in np.unique(truth.label[to_find]).tolist():
        first, last = np.searchsorted(found.label, [label, label + 1])
        span = slice(int(first), int(last))
        order = np.argsort(-found.score[span], kind="stable")  # over images in their order, as pycocotools has it
        classes[label] = ClassMatches(
            image=found.image[span][order],
            place=place[span][order],
            matched=matched[:, span][:, order],
            counted=counted[:, span][:, order],
            positives=truth.image[to_find & (truth.label == label)],
        )
    return classes


def _limited(found: BoxPredictions, truth: BoxTruth, federation: Federation | None) -> BoxPredictions:
    if federation is None:
        return found
    order = np.lexsort((-found.score, found.image))
    images = found.image[order]
    starts = np.flatnonzero(np.diff(images, prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    found = _rows(found, np.sort(order[place < LVIS_PER_IMAGE]))
    known = federation.absent | set(zip(truth.image.tolist(), truth.label.tolist(), strict=True))
    return _rows(found, np.flatnonzero(_in_pairs(found, known)))


def _in_pairs(found: BoxPredictions, pairs: frozenset[tuple[int, int]]) -> NDArray[np.bool_]:
    if not pairs:
        return np.zeros(len(found.image), dtype=bool)
    width = 1 + max(int(found.label.max(initial=0)), max(label for _, label in pairs))
    wanted = np.array([image * width + label for image, label in pairs])
    return np.isin(found.image * width + found.label, wanted)


def _group_starts(found: BoxPredictions) -> Ints:
    """Where a new class or image begins among sorted predictions."""
    if not len(found.image):
        return np.empty(0, dtype=np.int64)
    changes = (np.diff(found.image) != 0) | (np.diff(found.label) != 0)
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _rows(found: BoxPredictions, rows: Ints) -> BoxPredictions:
    return replace(
        found, image=found.image[rows], label=found.label[rows], xywh=found.xywh[rows], score=found.score[rows]
    )
