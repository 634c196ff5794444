"""The answers to all images, as arrays for the metrics and as the table of predictions beside the record.

The detection plugin and its metrics use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from vlmbench.data.base import Box, ImageDataset
from vlmbench.data.boxes import BoxFacts
from vlmbench.features.saved_answers import SavedAnswers
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation, Masks, mask_array
from vlmbench.run_lengths import RunLengths
from vlmbench.tasks.detection.answers import Answer

_CORNERS = pa.list_(pa.float32(), 4)
_EXACT_CORNERS = pa.list_(pa.float64(), 4)


@dataclass(frozen=True)
class Answered:
    """The answers to I images, in the dataset's order.

    Attributes:
        indices: (I,) the place of each image in the dataset.
        contents: (I,) the content hash of each image, in hexadecimal digits.
        answers: (I,) the answer to each image.
        facts: what the data states about its images and classes, such as ids and sizes; the boxes are not part of it.
        classes: the number of classes.
        true_masks: the masks of the objects of each image, by its place in the dataset; None if no metric needs them.
    """

    indices: Sequence[int]
    contents: Sequence[str]
    answers: Sequence[Answer]
    facts: BoxFacts
    classes: int
    true_masks: Mapping[int, Sequence[RunLengths]] | None = None

    def truth(self, dataset: ImageDataset, *, masks: bool = False) -> BoxTruth:
        """The annotated objects of the images, as arrays; with ``masks``, their masks are compared, not their boxes."""
        rows = [(row, box) for row, index in enumerate(self.indices) for box in boxes_of(dataset, index)]
        return BoxTruth(
            images=len(self.indices),
            classes=self.classes,
            image=np.array([row for row, _ in rows], dtype=np.int64),
            label=np.array([box.label for _, box in rows], dtype=np.int64),
            xywh=np.array([box.xywh for _, box in rows], dtype=np.float64).reshape(-1, 4),
            area=np.array([box.area for _, box in rows], dtype=np.float64),
            crowd=np.array([box.crowd for _, box in rows], dtype=bool),
            masks=_masks([(self.true_masks or {})[index] for index in self.indices]) if masks else None,
        )

    def found(self, *, masks: bool = False) -> BoxPredictions:
        """The detections of the images, as arrays. Detections of one image keep the order of its answer."""
        counts = [len(answer.scores) for answer in self.answers]
        return BoxPredictions(
            image=np.repeat(np.arange(len(counts)), counts),
            label=_joined([answer.labels.numpy() for answer in self.answers]).astype(np.int64),
            xywh=_joined([answer.xywh.numpy() for answer in self.answers]).astype(np.float64).reshape(-1, 4),
            score=_joined([answer.scores.numpy() for answer in self.answers]).astype(np.float64),
            masks=_masks([answer.masks or () for answer in self.answers]) if masks else None,
        )

    def federation(self) -> Federation | None:
        """LVIS' lists of absent and partly annotated classes; None if every class is annotated in every image."""
        if self.facts.absent is None or self.facts.partial is None:
            return None
        return Federation(*(_pairs(labels, self.indices) for labels in (self.facts.absent, self.facts.partial)))

    def table(self, dataset: ImageDataset) -> pa.Table:
        """The table of predictions, with one row for each image.

        A row has the detections, the annotated objects, and the model's answers for the data's own boxes if it was
        asked for them. Boxes are left, top, width and height. Labels are places in the order of the classes.

        The columns ``category_ids`` and ``image_id`` have the data's own ids of classes and images, which
        :func:`coco_results` needs. The columns ``truth_…`` describe the objects. For LVIS, the columns ``absent`` and
        ``partial`` list classes, and ``truth_frequencies`` has the frequency of each object's class. With these
        columns, runs can be compared without the data.

        If a metric needs masks, the columns ``masks`` and ``truth_masks`` have COCO's compressed run lengths of each
        detection and each object, and ``mask_size`` has the height and width of the image.
        """
        truth = [boxes_of(dataset, index) for index in self.indices]
        ids, categories = self.facts.image_ids, self.facts.category_ids
        exact = any(answer.scores.dtype == torch.float64 for answer in self.answers)
        columns: dict[str, pa.Array] = {
            "sample": pa.array([dataset.samples[index].id for index in self.indices], pa.string()),
            "content": pa.array(self.contents, pa.string()),
            "image_id": pa.array([ids[index] for index in self.indices], pa.int64()),
            "boxes": pa.array(
                [answer.xywh.tolist() for answer in self.answers], pa.list_(_EXACT_CORNERS if exact else _CORNERS)
            ),
            "scores": _lists(
                [answer.scores.numpy() for answer in self.answers], pa.float64() if exact else pa.float32()
            ),
            "labels": _lists([answer.labels.numpy() for answer in self.answers], pa.int32()),
            "category_ids": _lists(
                [[categories[label] for label in answer.labels.tolist()] for answer in self.answers], pa.int64()
            ),
            "truth_boxes": pa.array([[box.xywh for box in own] for own in truth], pa.list_(_EXACT_CORNERS)),
            "truth_labels": _lists([[box.label for box in own] for own in truth], pa.int32()),
            "truth_areas": _lists([[box.area for box in own] for own in truth], pa.float64()),
            "truth_crowds": _lists([[box.crowd for box in own] for own in truth], pa.bool_()),
        }
        if self.facts.absent is not None and self.facts.partial is not None:
            columns["absent"] = _lists([self.facts.absent[index] for index in self.indices], pa.int32())
            columns["partial"] = _lists([self.facts.partial[index] for index in self.indices], pa.int32())
        if self.facts.frequencies is not None:
            letters = self.facts.frequencies
            columns["truth_frequencies"] = _lists([[letters[box.label] for box in own] for own in truth], pa.string())
        if self.true_masks is not None:
            columns |= self._mask_columns(self.true_masks)
        if all(answer.region_ranks is not None for answer in self.answers):
            columns |= {
                "region_labels": _lists([_list(answer.region_labels) for answer in self.answers], pa.int32()),
                "region_ranks": _lists([_list(answer.region_ranks) for answer in self.answers], pa.int32()),
                "region_top": pa.array(
                    [_list(answer.region_top) for answer in self.answers], pa.list_(pa.list_(pa.int32()))
                ),
            }
        return pa.table(columns)

    def _mask_columns(self, truth: Mapping[int, Sequence[RunLengths]]) -> dict[str, pa.Array]:
        own, true = [answer.masks or () for answer in self.answers], [truth[index] for index in self.indices]
        sizes = [
            next(([mask.height, mask.width] for mask in (*found, *objects)), None)
            for found, objects in zip(own, true, strict=True)
        ]
        return {
            "masks": _lists([[mask.counts for mask in masks] for masks in own], pa.string()),
            "truth_masks": _lists([[mask.counts for mask in masks] for masks in true], pa.string()),
            # An image without a mask has no size to state.
            "mask_size": pa.array([size or [0, 0] for size in sizes], pa.list_(pa.int32(), 2)),
        }


def boxes_of(dataset: ImageDataset, index: int) -> tuple[Box, ...]:
    """The annotated objects of one sample."""
    target = dataset.samples[index].target
    return tuple(box for box in target if isinstance(box, Box)) if isinstance(target, tuple) else ()


def coco_results(table: pa.Table) -> list[Mapping[str, Any]]:
    """The detections of a record's Parquet file, in the form of a COCO results file.

    Detections with a mask have no box: pycocotools' ``loadRes`` would take the box's area for that of the mask.
    """
    masked = "masks" in table.column_names
    return [{name: value for name, value in entry.items() if not masked or name != "bbox"} for entry in _entries(table)]


def _entries(table: pa.Table) -> Iterator[Mapping[str, Any]]:
    masked = "masks" in table.column_names
    for row in table.select([*_RESULTS, *(("masks", "mask_size") if masked else ())]).to_pylist():
        for place, (box, score, category) in enumerate(
            zip(row["boxes"], row["scores"], row["category_ids"], strict=True)
        ):
            entry = {"image_id": row["image_id"], "category_id": category, "bbox": box, "score": score}
            if masked:
                entry["segmentation"] = _form(row, place)
            yield entry


def save_results(saving: SavedAnswers, table: pa.Table, facts: BoxFacts, class_names: Sequence[str]) -> None:
    """Write the detections of a table in the form of COCO's results, which ``predictions:DIR`` reads.

    If the data states no ids, images and classes are named. If the model classified the data's own boxes, the file is a
    Parquet table, because it also holds how the model ranked their classes. All numbers are exact.
    """
    if not facts.category_ids_stated:
        labels = table["labels"].to_pylist()
        names = _lists([[class_names[label] for label in own] for own in labels], pa.string())
        table = table.set_column(table.column_names.index("category_ids"), "category_ids", names)
    if not facts.image_ids_stated:
        table = table.set_column(table.column_names.index("image_id"), "image_id", table["sample"])
    if "region_ranks" in table.column_names:
        with saving.new(".parquet") as path:
            pq.write_table(table.select([*_RESULTS, *_OF_REGIONS]), path)
        return
    with saving.new(".json") as path, path.open("w", encoding="utf-8") as file:
        for number, entry in enumerate(_entries(table)):
            file.write(f"{',' if number else '['}\n{json.dumps(entry)}")
        file.write("\n]\n" if any(table["scores"].to_pylist()) else "[]\n")


_RESULTS = ("image_id", "boxes", "scores", "category_ids")
_OF_REGIONS = ("region_labels", "region_ranks", "region_top")


def _pairs(labels: Sequence[tuple[int, ...]], indices: Sequence[int]) -> frozenset[tuple[int, int]]:
    return frozenset((row, label) for row, index in enumerate(indices) for label in labels[index])


def _form(row: Mapping[str, Any], place: int) -> dict[str, Any]:
    return {"size": row["mask_size"], "counts": row["masks"][place]}


def _masks(images: Sequence[Sequence[RunLengths]]) -> Masks:
    return mask_array([mask for masks in images for mask in masks])


def _joined(parts: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return np.concatenate(parts) if parts else np.empty(0)


def _lists(rows: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(rows, pa.list_(kind))


def _list(values: Any) -> list[Any]:
    return list(values.tolist())
