"""What a predictions frame shows of segmentation: a row an image, or a row an image and class in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vlmbench.answers.columns import rows
from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import CONTENT, SAMPLE, FrameRows, Values, class_names_of, present

_IMAGE_COLUMNS = (
    SAMPLE,
    CONTENT,
    FrameColumn("miou", "float64", "the mean IoU of this image alone; missing if none of its pixels is scored"),
    FrameColumn("pixel_accuracy", "float64", "the share of its scored pixels that have the right class"),
)
_CLASS_COLUMNS = (
    SAMPLE,
    FrameColumn("label", "Int64", "the class, by its place in the classes' order"),
    FrameColumn("class_name", "string", "its name"),
    FrameColumn("intersection", "Int64", "pixels that are of the class and were predicted so"),
    FrameColumn("predicted", "Int64", "scored pixels that were predicted as the class"),
    FrameColumn("truth", "Int64", "scored pixels that are of the class"),
    FrameColumn("iou", "float64", "the class's IoU in this image"),
)


def _images(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    return present(table, "sample", "content", "miou", "pixel_accuracy")


def _classes(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """Of each image the classes that it shows or that were predicted in it."""
    intersection, predicted, truth = (rows(table, name).astype(np.int64) for name in _COUNTS)
    images, labels = np.nonzero(predicted + truth)
    counts = {name: each[images, labels] for name, each in zip(_COUNTS, (intersection, predicted, truth), strict=True)}
    union = counts["predicted"] + counts["truth"] - counts["intersection"]
    return {
        "sample": table["sample"].take(pa.array(images)),
        "label": labels,
        "class_name": class_names_of(labels, class_names),
        **counts,
        "iou": counts["intersection"] / union,
    }


_COUNTS = ("intersection", "predicted", "truth")
FRAMES = (
    FrameRows("sample", "one row an image", _IMAGE_COLUMNS, _images),
    FrameRows(
        "class", "one row an image and class, of those that are in its truth or prediction", _CLASS_COLUMNS, _classes
    ),
)
