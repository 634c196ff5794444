"""The rows and columns of a predictions frame for detection.

A row is a detected box, an annotated object, one of the data's own boxes that the model classified, or an image.
:mod:`vlmbench.frames` uses it; ``kind.py`` names it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlmbench.answers.columns import runs
from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.answers.frame_rows import (
    CONTENT,
    SAMPLE,
    FrameRows,
    Values,
    class_names_of,
    corners,
    flat,
    has,
    items_of,
    present,
)

_IMAGE_ID = FrameColumn("image_id", "Int64", "the data's own id of the image")
_LABEL = FrameColumn("label", "Int64", "the class, by its place in the classes' order")
_CLASS_NAME = FrameColumn("class_name", "string", "the name of the class")
_CORNERS = (
    FrameColumn("left", "float64", "the box's left edge, in pixels of the image"),
    FrameColumn("top", "float64", "the box's upper edge"),
    FrameColumn("width", "float64", "the box's width in pixels"),
    FrameColumn("height", "float64", "the box's height in pixels"),
)
_BOX_COLUMNS = (
    SAMPLE,
    _IMAGE_ID,
    FrameColumn("box", "Int64", "the place of the detection in the record's list for this image, from 0"),
    _LABEL,
    _CLASS_NAME,
    FrameColumn("category_id", "Int64", "the data's own id of the class"),
    FrameColumn("score", "float64", "the score of the detection; higher is more certain"),
    *_CORNERS,
)
_OBJECT_COLUMNS = (
    SAMPLE,
    _IMAGE_ID,
    FrameColumn("object", "Int64", "the place of the object in the annotations of the image, from 0"),
    _LABEL,
    _CLASS_NAME,
    *_CORNERS,
    FrameColumn("area", "float64", "the area of the object in the annotations, in square pixels"),
    FrameColumn("crowd", "boolean", "whether it is a crowd: one annotation of several objects"),
    FrameColumn("frequency", "string", "how frequent the class is in LVIS: r (rare), c (common) or f (frequent)"),
)
_REGION_COLUMNS = (
    SAMPLE,
    FrameColumn("region", "Int64", "the place of the box among the data's own boxes of the image, from 0"),
    _LABEL,
    _CLASS_NAME,
    FrameColumn("predicted", "Int64", "the class with the highest score"),
    FrameColumn("predicted_name", "string", "the name of that class"),
    FrameColumn("rank", "Int64", "the rank of the true class among all classes, from 1"),
)
_IMAGE_COLUMNS = (
    SAMPLE,
    CONTENT,
    _IMAGE_ID,
    FrameColumn("detections", "Int64", "the number of detected boxes"),
    FrameColumn("objects", "Int64", "the number of annotated objects"),
)


def _boxes(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    items = items_of(table, "boxes")
    labels, _ = runs(table, "labels")
    renamed = {"scores": "score", "labels": "label", "category_ids": "category_id"}
    return {
        **items.repeated(table, "sample", "image_id"),
        "box": items.places,
        "class_name": class_names_of(labels.astype(np.int64), class_names),
        **{renamed[name]: values for name, values in flat(table, *renamed).items()},
        **corners(table, "boxes"),
    }


def _objects(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    items = items_of(table, "truth_boxes")
    labels, _ = runs(table, "truth_labels")
    renamed = {
        "truth_labels": "label",
        "truth_areas": "area",
        "truth_crowds": "crowd",
        "truth_frequencies": "frequency",
    }
    return {
        **items.repeated(table, "sample", "image_id"),
        "object": items.places,
        "class_name": class_names_of(labels.astype(np.int64), class_names),
        **{renamed[name]: values for name, values in flat(table, *renamed).items()},
        **corners(table, "truth_boxes"),
    }


def _regions(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    """The data's own boxes that the model classified. There are no rows if the boxes had another source."""
    if not has(table, "region_labels"):
        return {"sample": pa.array([], pa.string())}
    items = items_of(table, "region_labels")
    labels, _ = runs(table, "region_labels")
    made: dict[str, Values] = {
        **items.repeated(table, "sample"),
        "region": items.places,
        "label": labels,
        "class_name": class_names_of(labels.astype(np.int64), class_names),
    }
    if has(table, "region_ranks"):
        made["rank"] = flat(table, "region_ranks")["region_ranks"]
    if has(table, "region_top"):
        best = pc.list_element(flat(table, "region_top")["region_top"], 0)
        made["predicted"] = best
        made["predicted_name"] = class_names_of(np.asarray(best, dtype=np.int64), class_names)
    return made


def _images(table: pa.Table, class_names: Sequence[str]) -> dict[str, Values]:
    made = present(table, "sample", "content", "image_id")
    counted = {"detections": "boxes", "objects": "truth_boxes"}
    return {**made, **{name: pc.list_value_length(table[of]) for name, of in counted.items() if has(table, of)}}


FRAMES = (
    FrameRows("box", "one row for each detected box; an image without a detected box has no row", _BOX_COLUMNS, _boxes),
    FrameRows("object", "one row for each annotated object", _OBJECT_COLUMNS, _objects),
    FrameRows(
        "region", "one row for each of the data's own boxes that the model classified", _REGION_COLUMNS, _regions
    ),
    FrameRows("sample", "one row for each image", _IMAGE_COLUMNS, _images),
)
