"""Predictions and objects to evaluate: real ones, seeded adversarial ones, and pycocotools asked directly."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation, mask_array
from vlmbench.metrics.detection.engines import coco_dataset, coco_results
from vlmbench.run_lengths import RunLengths, compressed


def random_case(
    seed: int, images: int = 12, classes: int = 5, objects: int = 60, predictions: int = 400, *, ties: bool = True
) -> tuple[BoxTruth, BoxPredictions]:
    """Objects of every size, a fifth of them crowds, and predictions near and far from them.

    The last class has no object and the last image neither objects nor predictions; scores repeat where ``ties``.
    """
    random = np.random.default_rng(seed)
    side = np.exp(random.uniform(np.log(4), np.log(250), (objects, 2)))
    corner = random.uniform(0, 300, (objects, 2))
    xywh = np.concatenate([corner, side], axis=1).round(2)
    image = np.sort(random.integers(0, max(images - 1, 1), objects))
    label = random.integers(0, max(classes - 1, 1), objects)
    truth = BoxTruth(
        images=images,
        classes=classes,
        image=image,
        label=label,
        xywh=xywh,
        area=xywh[:, 2] * xywh[:, 3] * random.uniform(0.4, 1, objects),
        crowd=random.random(objects) < 0.2,
    )
    near = random.integers(0, objects, predictions)
    noise = 1 + random.normal(0, 0.15, (predictions, 4)) * (random.random((predictions, 1)) < 0.8)
    boxes = np.abs(xywh[near] * noise).round(2)
    same = random.random(predictions) < 0.7
    score = random.random(predictions)
    found = BoxPredictions(
        image=np.where(random.random(predictions) < 0.9, image[near], random.integers(0, images, predictions)),
        label=np.where(same, label[near], random.integers(0, classes, predictions)),
        xywh=boxes,
        score=score.round(1) if ties else score,
    )
    return truth, found


def crowded_case(seed: int) -> tuple[BoxTruth, BoxPredictions]:
    """More than 100 predictions of a class in an image, the best of them not first."""
    return random_case(seed, images=3, classes=2, objects=20, predictions=900)


def pycocotools_stats(truth: BoxTruth, found: BoxPredictions) -> list[float]:
    """The twelve numbers, -1 where there is no object; those of masks if there are masks."""
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = coco_dataset(truth)
        ground.createIndex()
        results = ground.loadRes(coco_results(found))
        run = COCOeval(ground, results, "bbox" if truth.masks is None else "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(value) for value in run.stats]


def federated_case(seed: int) -> tuple[BoxTruth, BoxPredictions, Federation, list[str]]:
    """A random case without crowds under LVIS' rules, more than 300 predictions an image, and groups of classes."""
    truth, found = random_case(seed, images=6, classes=9, objects=50, predictions=2400)
    truth = replace(truth, crowd=np.zeros(len(truth.crowd), dtype=bool))
    random = np.random.default_rng(seed + 1)
    present = set(zip(truth.image.tolist(), truth.label.tolist(), strict=True))
    others = [(image, label) for image in range(6) for label in range(9) if (image, label) not in present]
    absent = frozenset(pair for pair in others if random.random() < 0.5)
    partial = frozenset(pair for pair in sorted(present) if random.random() < 0.3)
    return truth, found, Federation(absent, partial), list("rcfrcfrcf")


def lvis_dataset(truth: BoxTruth, federation: Federation, frequencies: list[str]) -> dict[str, Any]:
    """The objects as LVIS' JSON has them, everything numbered from 1."""
    content = coco_dataset(truth)
    for image, entry in enumerate(content["images"]):
        for key, pairs in (
            ("neg_category_ids", federation.absent),
            ("not_exhaustive_category_ids", federation.partial),
        ):
            entry[key] = sorted(label + 1 for own, label in pairs if own == image)
    for category, frequency in zip(content["categories"], frequencies, strict=True):
        category["frequency"] = frequency
    return content


SIDE = 320
"""Height and width of the pictures to which the masks of a case belong."""


def with_masks(truth: BoxTruth, found: BoxPredictions, seed: int) -> tuple[BoxTruth, BoxPredictions]:
    """The same case with a mask for each box: an ellipse in it, with holes; some masks are empty."""
    random = np.random.default_rng(seed)
    return (
        replace(truth, masks=mask_array(_ellipses(truth.xywh, random))),
        replace(found, masks=mask_array(_ellipses(found.xywh, random))),
    )


def with_rectangles(truth: BoxTruth, found: BoxPredictions) -> tuple[BoxTruth, BoxPredictions]:
    """A case whose boxes have whole numbers, and whose masks are those boxes: overlaps and areas are equal."""

    def whole(boxes: BoxTruth | BoxPredictions) -> np.ndarray[Any, np.dtype[np.float64]]:
        corners = np.concatenate([boxes.xywh[:, :2], boxes.xywh[:, :2] + boxes.xywh[:, 2:]], axis=1)
        corners = np.clip(np.rint(corners), 0, SIDE)
        return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)

    def masks(xywh: np.ndarray[Any, np.dtype[np.float64]]) -> list[RunLengths]:
        drawn = np.zeros((len(xywh), SIDE, SIDE), dtype=bool)
        for mask, (left, top, width, height) in zip(drawn, xywh.astype(int).tolist(), strict=True):
            mask[top : top + height, left : left + width] = True
        return compressed(drawn)

    true, own = whole(truth), whole(found)
    return (
        replace(truth, xywh=true, masks=mask_array(masks(true))),
        replace(found, xywh=own, masks=mask_array(masks(own))),
    )


def _ellipses(xywh: np.ndarray[Any, np.dtype[np.float64]], random: np.random.Generator) -> list[RunLengths]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    made = []
    for left, top, width, height in xywh.tolist():
        away = ((columns - left - width / 2) * 2 / max(width, 1)) ** 2 + (
            (rows - top - height / 2) * 2 / max(height, 1)
        ) ** 2
        mask = (away < 1) & (random.random((SIDE, SIDE)) < 0.97)
        made.append(compressed(mask[None])[0])
    return made
