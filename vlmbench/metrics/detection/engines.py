"""Calls other implementations of COCO's evaluation. They give numbers without intervals.

The detection task uses one if the user asks for it with ``--set evaluator=…``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Masks
from vlmbench.metrics.detection.measures import COCO_MEASURES

ENGINES: dict[str, tuple[str, str, str]] = {
    "faster-coco-eval": ("faster_coco_eval", "COCO", "COCOeval_faster"),
    "hotcoco": ("hotcoco", "COCO", "COCOeval"),
}
"""The name of each implementation to its module, its class of annotations and its class that evaluates."""


def engine_values(engine: str, truth: BoxTruth, found: BoxPredictions) -> dict[str, float]:
    """COCO's twelve numbers, computed by an implementation of :data:`ENGINES`; nan if there is no object.

    They are those of masks if both sides have masks, else those of boxes.

    Raises:
        ModuleNotFoundError: its package is not installed.
    """
    module_name, annotations, evaluator = ENGINES[engine]
    module = importlib.import_module(module_name)
    with contextlib.redirect_stdout(io.StringIO()):  # these packages print tables
        ground = getattr(module, annotations)(coco_dataset(truth))
        results = coco_results(found)
        compared = "bbox" if truth.masks is None or found.masks is None else "segm"
        run = getattr(module, evaluator)(ground, ground.loadRes(results), compared)
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {
        name: float("nan") if value < 0 else float(value)
        for name, value in zip(COCO_MEASURES, list(run.stats)[: len(COCO_MEASURES)], strict=True)
    }


def coco_dataset(truth: BoxTruth) -> dict[str, Any]:
    """The objects in the form of COCO's JSON, with all ids counted from 1."""
    return {
        "info": {},
        "licenses": [],
        "images": [
            {"id": image + 1, "file_name": f"{image}.jpg", "width": 1, "height": 1} for image in range(truth.images)
        ],
        "categories": [{"id": label + 1, "name": str(label)} for label in range(truth.classes)],
        "annotations": [
            {
                "id": row + 1,
                "image_id": int(truth.image[row]) + 1,
                "category_id": int(truth.label[row]) + 1,
                "bbox": truth.xywh[row].tolist(),
                "area": float(truth.area[row]),
                "iscrowd": int(truth.crowd[row]),
                **_segmentation(truth.masks, row),
            }
            for row in range(len(truth.image))
        ],
    }


def coco_results(found: BoxPredictions) -> list[dict[str, Any]]:
    """The predictions in the form of COCO's results file, with all ids counted from 1.

    A prediction has its mask, or its box if there are no masks. With both, ``loadRes`` takes the box's area for that
    of the mask.
    """
    return [
        {
            "image_id": int(found.image[row]) + 1,
            "category_id": int(found.label[row]) + 1,
            **({"bbox": found.xywh[row].tolist()} if found.masks is None else _segmentation(found.masks, row)),
            "score": float(found.score[row]),
        }
        for row in range(len(found.image))
    ]


def _segmentation(masks: Masks | None, row: int) -> dict[str, Any]:
    return {} if masks is None else {"segmentation": masks[row].form}
