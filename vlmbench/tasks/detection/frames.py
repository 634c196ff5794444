"""What a predictions frame shows of detection: detected boxes, annotated objects, named regions, or images."""

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
_CLASS_NAME = FrameColumn("class_name", "string", "its name")
_CORNERS = (
    FrameColumn("left", "float64", "the box's left edge, in pixels of the image"),
    FrameColumn("top", "float64", "its upper edge"),
    FrameColumn("width", "float64", "its width in pixels"),
    FrameColumn("height", "float64", "its height in pixels"),
)
_BOX_COLUMNS = (
    SAMPLE,
    _IMAGE_ID,
    FrameColumn("box", "Int64", "the detection's place in the record's list of this image, from 0"),
    _LABEL,
    _CLASS_NAME,
    FrameColumn("category_id", "Int64", "the data's own id of the class"),
    FrameColumn("score", "float64", "how sure the model is"),
    *_CORNERS,
)
_OBJECT_COLUMNS = (
    SAMPLE,
    _IMAGE_ID,
    FrameColumn("object", "Int64", "the object's place in the image's annotations, from 0"),
    _LABEL,
    _CLASS_NAME,
    *_CORNERS,
    FrameColumn("area", "float64", "the object's area in the annotations, in pixels"),
    FrameColumn("crowd", "boolean", "it is a crowd: one annotation of several objects"),
    FrameColumn("frequency", "string", "LVIS: how frequent the class is: r, c or f"),
)
_REGION_COLUMNS = (
    SAMPLE,
    FrameColumn("region", "Int64", "the place of the data's own box among those of the image, from 0"),
    _LABEL,
    _CLASS_NAME,
    FrameColumn("predicted", "Int64", "the class with the highest score"),
    FrameColumn("predicted_name", "string", "its name"),
    FrameColumn("rank", "Int64", "the place of the true class among all classes, from 1"),
)
_IMAGE_COLUMNS = (
    SAMPLE,
    CONTENT,
    _IMAGE_ID,
    FrameColumn("detections", "Int64", "how many boxes were detected"),
    FrameColumn("objects", "Int64", "how many objects the annotations have"),
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
    """The data's own boxes, which a model that does not find boxes itself was asked to name; without rows if not."""
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
    FrameRows("box", "one row an image and detected box; an image without any has no row", _BOX_COLUMNS, _boxes),
    FrameRows("object", "one row an image and annotated object", _OBJECT_COLUMNS, _objects),
    FrameRows("region", "one row an image and annotated box that the model had to name", _REGION_COLUMNS, _regions),
    FrameRows("sample", "one row an image", _IMAGE_COLUMNS, _images),
)
