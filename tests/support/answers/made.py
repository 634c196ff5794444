"""Records with tables as the plugins write them, of answers made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from vlmbench.answers.tables import Answers
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.records import ClassResult, MetricValue
from vlmbench.testing.toy_records import make_record

CLASSES = ["cat", "dog", "cow", "hen"]


def answers(
    table: pa.Table,
    values: Mapping[str, float | None],
    plugin: str = "classification",
    protocol: Mapping[str, Any] | None = None,
    classes: Sequence[str] = CLASSES,
) -> Answers:
    record = make_record()
    task = record.task.model_copy(update={"plugin": plugin, "protocol": {"classes": len(classes), **(protocol or {})}})
    changes = {
        "task": task,
        "metrics": {name: MetricValue(value=value, n=table.num_rows) for name, value in values.items()},
        "per_class": [ClassResult(name=name, n=1, values={}) for name in classes],
    }
    return Answers(record.model_copy(update=changes), table, "here")


def samples(count: int) -> dict[str, list[str]]:
    return {"sample": [f"{row}.png" for row in range(count)], "content": [f"{row:064x}" for row in range(count)]}


def lists(rows: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array([list(row) for row in rows], pa.list_(kind))


def fixed(rows: np.ndarray, kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), kind), rows.shape[1])


def classified(labels: np.ndarray, scores: np.ndarray) -> pa.Table:
    """Single-label answers; (N, C) scores."""
    top = np.argsort(-scores, axis=1, kind="stable")
    exponents = np.exp(scores)
    return pa.table(
        {
            **samples(len(labels)),
            "label": pa.array(labels, pa.int32()),
            "top": fixed(top, pa.int32()),
            "confidence": pa.array((exponents / exponents.sum(axis=1, keepdims=True)).max(axis=1), pa.float32()),
            "scores": fixed(scores, pa.float32()),
        }
    )


def tagged(targets: np.ndarray, scores: np.ndarray) -> pa.Table:
    """Multi-label answers; (N, C) each."""
    return pa.table(
        {
            **samples(len(targets)),
            "labels": lists([np.flatnonzero(row) for row in targets], pa.int32()),
            "top": fixed(np.argsort(-scores, axis=1), pa.int32()),
            "confidence": pa.array(np.zeros(len(targets)), pa.float32()),
            "scores": fixed(scores, pa.float32()),
        }
    )


def retrieved(images: np.ndarray, captions: Sequence[Sequence[int]]) -> pa.Table:
    """Ranks of images, and of the captions of each."""
    return pa.table(
        {
            **samples(len(images)),
            "image_to_text_rank": pa.array(images, pa.int32()),
            "top_captions": lists([["a"]] * len(images), pa.string()),
            "captions": lists([[f"{i} {j}" for j in range(len(own))] for i, own in enumerate(captions)], pa.string()),
            "text_to_image_ranks": lists(captions, pa.int32()),
            "top_image": lists([["x"] * len(own) for own in captions], pa.string()),
        }
    )


def segmented(met: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> pa.Table:
    """(N, C) pixels each."""
    parts = {"intersection": met, "predicted": predicted, "truth": truth}
    return pa.table({**samples(len(met)), **{name: fixed(part, pa.int64()) for name, part in parts.items()}})


def detected(truth: BoxTruth, found: BoxPredictions) -> pa.Table:
    """As the plugin writes it; boxes and scores become float32."""

    def of(values: np.ndarray, image: np.ndarray, kind: pa.DataType) -> pa.Array:
        return pa.array([values[image == row].tolist() for row in range(truth.images)], pa.list_(kind))

    return pa.table(
        {
            **samples(truth.images),
            "image_id": pa.array(range(truth.images), pa.int64()),
            "boxes": of(found.xywh, found.image, pa.list_(pa.float32(), 4)),
            "scores": of(found.score, found.image, pa.float32()),
            "labels": of(found.label, found.image, pa.int32()),
            "truth_boxes": of(truth.xywh, truth.image, pa.list_(pa.float64(), 4)),
            "truth_labels": of(truth.label, truth.image, pa.int32()),
            "truth_areas": of(truth.area, truth.image, pa.float64()),
            "truth_crowds": of(truth.crowd, truth.image, pa.bool_()),
        }
    )
