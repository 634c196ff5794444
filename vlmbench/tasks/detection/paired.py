"""Computes the metrics of detection from tables of predictions, for comparisons of runs.

The tables contain the annotated objects beside the detections, so the dataset is not needed. ``kind.py`` names it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import boxes, owners, rows, runs
from vlmbench.answers.measured import ClassStatistics, Measured, Pairing
from vlmbench.answers.rounding import Scores
from vlmbench.errors import UnpairableError
from vlmbench.metrics.detection.accuracy import class_accuracy_statistics, mean_class_accuracy_statistic
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation, Masks, mask_array
from vlmbench.metrics.detection.matching import Matches, match_boxes
from vlmbench.metrics.detection.measures import (
    COCO_MEASURES,
    FREQUENCIES,
    LVIS_MEASURES,
    OF_MASKS,
    ROWS,
    BoxMeasure,
    box_values,
    class_values,
)
from vlmbench.records import Record
from vlmbench.run_lengths import RunLengths, check
from vlmbench.tasks.detection.inspected import inspected
from vlmbench.tasks.detection.rearranged import rearranged

_COLUMNS = (
    "boxes",
    "scores",
    "labels",
    "truth_boxes",
    "truth_labels",
    "truth_areas",
    "truth_crowds",
    "absent",
    "partial",
    "truth_frequencies",
    "region_labels",
    "region_ranks",
    "masks",
    "mask_size",
    "truth_masks",
)
_ANSWERS = ("boxes", "scores", "labels")
_SCORES = (Scores("scores", "probability"), Scores("boxes", "box"))


def measured(record: Record, table: pa.Table, metric: str) -> Measured | None:
    """A metric of a table; None if this kind of task does not know the metric.

    Raises:
        UnpairableError: another program computed the metric, or it needs groups of classes that the record lacks.
    """
    if found := re.fullmatch(r"mean_class_accuracy_top([15])", metric):
        return _accuracy(table, int(found[1]), _classes(record))
    evaluator = record.task.protocol.get("evaluator", "pycocotools")
    if evaluator not in ("pycocotools", "lvis"):
        raise UnpairableError(
            f"{record.task.name}: {evaluator} gives numbers for the whole dataset only, so two runs cannot be compared "
            "image by image",
            hint="Evaluate both runs with --set evaluator=pycocotools.",
        )
    measures = LVIS_MEASURES if evaluator == "lvis" else COCO_MEASURES
    masks, of_boxes = metric.startswith(OF_MASKS), metric.removeprefix(OF_MASKS)
    measure = measures.get(of_boxes) or _of_group(record, table, of_boxes)
    if measure is None:
        return None
    truth, found_boxes = _truth(table, _classes(record), masks=masks), _found(table, masks=masks)
    matches = match_boxes(truth, found_boxes, _federation(table) if evaluator == "lvis" else None)
    return Measured(
        n=truth.images,
        statistic=lambda weights: box_values(matches, {metric: measure}, weights)[:, 0],
        seen=_digests(found_boxes, truth.images, truth.classes).sum(axis=1),
        rows=ROWS,
        classes=lambda: _class_values(matches, measure, truth, found_boxes, OF_MASKS if masks else ""),
    )


def _of_group(record: Record, table: pa.Table, metric: str) -> BoxMeasure | None:
    """AP or AP50 of a group of classes that LVIS or the card defines; None if the metric is not one of a group."""
    found = re.fullmatch(r"(ap|ap50)_(.+)", metric)
    if found is None:
        return None
    if record.task.protocol.get("evaluator") == "lvis" and found[2] in FREQUENCIES:
        labels, letters = runs(table, "truth_labels")[0], runs(table, "truth_frequencies")[0]
        own = labels[letters == FREQUENCIES[found[2]]]  # classes without an object have no AP
        return replace(COCO_MEASURES[found[1]], classes=frozenset(own.astype(int).tolist()))
    groups = record.task.protocol.get("groups", {})
    places = {row.name: label for label, row in enumerate(record.per_class)}
    if found[2] not in groups or not set(groups[found[2]]) <= set(places):
        raise UnpairableError(
            f"{record.task.name}: the record does not say which classes {metric} covers",
            hint="Compare the runs by ap or ap50. Limits for single classes apply to every class.",
        )
    return replace(COCO_MEASURES[found[1]], classes=frozenset(places[name] for name in groups[found[2]]))


def _accuracy(table: pa.Table, k: int, classes: int) -> Measured:
    labels, lengths = runs(table, "region_labels")
    ranks, _ = runs(table, "region_ranks")
    named, labels, image, images = ranks <= k, labels.astype(np.int64), owners(lengths), len(lengths)
    # The metric depends only on the number of correctly classified boxes of each class in each image.
    right = np.zeros((images, classes), dtype=np.int64)
    np.add.at(right, (image, labels), named)

    def each() -> ClassStatistics:
        shown = np.zeros((images, classes), dtype=bool)
        shown[image, labels] = True
        return ClassStatistics(
            f"accuracy_top{k}",
            class_accuracy_statistics(named, labels, image, images, classes),
            right,
            shown.sum(axis=0),
        )

    return Measured(images, mean_class_accuracy_statistic(named, labels, image, images), right, classes=each)


def _class_values(
    matches: Matches, measure: BoxMeasure, truth: BoxTruth, found: BoxPredictions, prefix: str
) -> ClassStatistics:
    shown = np.zeros((truth.images, truth.classes), dtype=bool)
    shown[truth.image, truth.label] = True
    at_50 = measure.kind == "ap" and measure.threshold == COCO_MEASURES["ap50"].threshold
    return ClassStatistics(
        prefix + ("ap50" if at_50 else measure.kind),
        lambda weights: class_values(matches, measure, truth.classes, weights),
        _digests(found, truth.images, truth.classes),
        shown.sum(axis=0),
        rows=ROWS,
    )


def _digests(found: BoxPredictions, images: int, classes: int) -> NDArray[np.uint64]:
    """(I, C) hashes of the boxes and scores of each class in each image; equal hashes mean equal boxes.

    If masks are compared, they are hashed, too.
    """
    values = np.concatenate([found.xywh, found.score[:, None]], axis=1).view(np.uint64)
    if found.masks is not None:
        masks = [int.from_bytes(sha256(mask.counts.encode()).digest()[:8], "little") for mask in found.masks]
        values = np.concatenate([values, np.array(masks, dtype=np.uint64).reshape(-1, 1)], axis=1)
    odd = np.random.default_rng(0).integers(0, 2**63, values.shape[1], dtype=np.uint64) * 2 + 1
    mixed = (values * odd).sum(axis=1, dtype=np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(
        0xBF58476D1CE4E5B9
    )  # else sums of different boxes could be equal
    mixed ^= mixed >> np.uint64(32)
    digests = np.zeros((images, classes), dtype=np.uint64)
    known = (found.label >= 0) & (found.label < classes)
    np.add.at(digests, (found.image[known], found.label[known]), mixed[known])
    return digests


def _classes(record: Record) -> int:
    return int(record.task.protocol.get("classes") or len(record.per_class))


def _truth(table: pa.Table, classes: int, *, masks: bool) -> BoxTruth:
    labels, lengths = runs(table, "truth_labels")
    areas, crowds = runs(table, "truth_areas")[0], runs(table, "truth_crowds")[0]
    return BoxTruth(
        images=len(lengths),
        classes=classes,
        image=owners(lengths),
        label=labels.astype(np.int64),
        xywh=boxes(table, "truth_boxes"),
        area=areas.astype(np.float64),
        crowd=crowds.astype(bool),
        masks=_masks(table, "truth_masks") if masks else None,
    )


def _found(table: pa.Table, *, masks: bool) -> BoxPredictions:
    labels, lengths = runs(table, "labels")
    scores, _ = runs(table, "scores")
    kind = np.float64 if scores.dtype == np.float64 else np.float32  # a baseline's file has boxes as decimals
    return BoxPredictions(
        image=owners(lengths),
        label=labels.astype(np.int64),
        xywh=boxes(table, "boxes").astype(kind).astype(np.float64),
        score=scores.astype(kind).astype(np.float64),
        masks=_masks(table, "masks") if masks else None,
    )


def _masks(table: pa.Table, name: str) -> Masks:
    counts, lengths = runs(table, name)
    sizes = rows(table, "mask_size")[owners(lengths)].tolist()
    masks = [RunLengths(height, width, own) for (height, width), own in zip(sizes, counts.tolist(), strict=True)]
    check(masks)
    return mask_array(masks)


def _federation(table: pa.Table) -> Federation:
    return Federation(_pairs(table, "absent"), _pairs(table, "partial"))


def _pairs(table: pa.Table, name: str) -> frozenset[tuple[int, int]]:
    labels, lengths = runs(table, name)
    return frozenset(zip(owners(lengths).tolist(), labels.astype(int).tolist(), strict=True))


PAIRING = Pairing(
    measured, columns=_COLUMNS, answers=_ANSWERS, scores=_SCORES, rearranged=rearranged, inspected=inspected
)
