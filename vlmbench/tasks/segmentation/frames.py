"""The rows and columns of a predictions frame for segmentation: a row is an image, or one class in one image.

:mod:`vlmbench.frames` uses it; ``kind.py`` names it.
"""

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
    FrameColumn("pixel_accuracy", "float64", "the share of its scored pixels whose predicted class is right"),
)
_CLASS_COLUMNS = (
    SAMPLE,
    FrameColumn("label", "Int64", "the class, by its place in the classes' order"),
    FrameColumn("class_name", "string", "the name of the class"),
    FrameColumn("intersection", "Int64", "scored pixels of the class that were predicted as the class"),
    FrameColumn("predicted", "Int64", "scored pixels that were predicted as the class"),
    FrameColumn("truth", "Int64", "scored pixels of the class"),
    FrameColumn("iou", "float64", "the IoU of the class in this image"),
)


def _images(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    return present(table, "sample", "content", "miou", "pixel_accuracy")


def _classes(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """For each image, the classes that are in its truth or in its prediction."""
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
    FrameRows("sample", "one row for each image", _IMAGE_COLUMNS, _images),
    FrameRows("class", "one row for each class in the truth or prediction of each image", _CLASS_COLUMNS, _classes),
)
