"""Each kind's views in pandas, worked by hand: declared columns, ranks, lists as rows, and tables that lack columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vlmbench.answers.frame_rows import FrameRows
from vlmbench.frames.predictions import _view_frame, frame_views
from vlmbench.kinds import KINDS
from vlmbench.records import ClassResult, Record
from vlmbench.testing.toy_records import make_record

NAMES = ("cat", "dog", "fish")
IDS = {"sample": pa.array(["x", "y"]), "content": pa.array(["c1", "c2"])}


def _lists(rows: list[Any], kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(rows, pa.list_(kind or pa.int32()))


CLASSIFIED = pa.table(
    {
        **IDS,
        "label": pa.array([1, 2], pa.int32()),
        "top": pa.array([[1, 0], [0, 1]], pa.list_(pa.int32(), 2)),
        "top_scores": pa.array([[0.5, 0.25], [0.75, 0.5]], pa.list_(pa.float32(), 2)),
        "confidence": pa.array([0.5, 0.25], pa.float32()),
    }
)
MULTI_LABEL = CLASSIFIED.drop_columns("label").append_column("labels", _lists([[0, 2], [1]]))
RETRIEVED = pa.table(
    {
        **IDS,
        "image_to_text_rank": pa.array([1, 2], pa.int32()),
        "top_captions": _lists([["a", "b"], ["a", "c"]], pa.string()),
        "captions": _lists([["a"], ["b", "c"]], pa.string()),
        "text_to_image_ranks": _lists([[1], [2, 1]]),
        "top_image": _lists([["x"], ["x", "y"]], pa.string()),
    }
)
SEGMENTED = pa.table(
    {
        **IDS,
        "miou": pa.array([0.5, None], pa.float64()),
        "pixel_accuracy": pa.array([0.75, None], pa.float64()),
        "intersection": pa.array([[2, 0, 1], [0, 0, 0]], pa.list_(pa.int64(), 3)),
        "predicted": pa.array([[2, 0, 2], [0, 0, 0]], pa.list_(pa.int64(), 3)),
        "truth": pa.array([[3, 0, 1], [0, 0, 0]], pa.list_(pa.int64(), 3)),
    }
)
DETECTED = pa.table(
    {
        **IDS,
        "image_id": pa.array([7, 8], pa.int64()),
        "boxes": _lists([[[1, 2, 3, 4], [0, 0, 1, 1]], []], pa.list_(pa.float32(), 4)),
        "scores": _lists([[0.5, 0.25], []], pa.float32()),
        "labels": _lists([[2, 9], []]),
        "category_ids": _lists([[30, 90], []], pa.int64()),
        "truth_boxes": _lists([[], [[5, 6, 7, 8]]], pa.list_(pa.float64(), 4)),
        "truth_labels": _lists([[], [1]]),
        "truth_areas": _lists([[], [56.0]], pa.float64()),
        "truth_crowds": _lists([[], [True]], pa.bool_()),
        "region_labels": _lists([[], [1]]),
        "region_ranks": _lists([[], [2]]),
        "region_top": _lists([[], [[0, 1]]], pa.list_(pa.int32())),
    }
)
CLIPS = CLASSIFIED
for _name, _values in {
    "annotation": pa.array([1, 0], pa.int8()),
    "video": pa.array(["v", "w"]),
    "verb": pa.array(["cut", "cut"]),
    "noun": pa.array(["car", "tree"]),
}.items():
    CLIPS = CLIPS.append_column(_name, _values)
TABLES = {
    "classification": CLASSIFIED,
    "retrieval": RETRIEVED,
    "segmentation": SEGMENTED,
    "detection": DETECTED,
    "rare_actions": CLIPS,
}
CASES = [pytest.param(kind, view, id=f"{kind}-{view.each}") for kind in TABLES for view in frame_views(kind)]


def _record() -> Record:
    classes = [ClassResult(name=name, n=1, values={}) for name in NAMES]
    return make_record().model_copy(update={"per_class": classes})


def _frame(kind: str, each: str, table: pa.Table) -> pd.DataFrame:
    (view,) = (view for view in frame_views(kind) if view.each == each)
    return _view_frame(view, table, _record(), "here")


def test_every_kind_declares_its_views() -> None:
    built_in = [name for name in KINDS if str(KINDS.get(name).plugin).startswith("vlmbench.")]
    assert set(TABLES) == set(built_in)


@pytest.mark.parametrize(("kind", "view"), CASES)
@pytest.mark.parametrize("rows", ["both", "none"])
def test_a_view_has_the_columns_and_types_it_declares(kind: str, view: FrameRows, rows: str) -> None:
    frame = _view_frame(view, TABLES[kind] if rows == "both" else TABLES[kind].slice(0, 0), _record(), "here")
    assert list(frame.columns) == [column.name for column in view.columns]
    assert [str(dtype) for dtype in frame.dtypes] == [column.dtype for column in view.columns]
    assert len(frame) if rows == "both" else frame.empty


@pytest.mark.parametrize(("kind", "view"), CASES)
def test_a_baseline_s_smaller_table_leaves_columns_missing(kind: str, view: FrameRows) -> None:
    """Baselines keep what a comparison reads; ids, captions and scores for people are not among it."""
    lists = {"text_to_image_ranks", "boxes", "labels", "truth_boxes", "truth_labels", "top", "region_labels"}
    needed = {"sample", *lists, "intersection", "predicted", "truth"}
    table = TABLES[kind].select([name for name in TABLES[kind].column_names if name in needed])
    frame = _view_frame(view, table, _record(), "here")
    assert [str(dtype) for dtype in frame.dtypes] == [column.dtype for column in view.columns]
    assert len(frame) == len(_view_frame(view, TABLES[kind], _record(), "here"))


def test_classification_a_sample() -> None:
    frame = _frame("classification", "sample", CLASSIFIED)
    assert frame.class_name.tolist() == ["dog", "fish"] and frame.predicted_name.tolist() == ["dog", "cat"]
    assert frame.correct.tolist() == [True, False] and frame["rank"].tolist() == [1, pd.NA]
    assert frame.score.tolist() == [0.5, 0.75] and frame.confidence.tolist() == [0.5, 0.25]


def test_classification_with_several_true_classes() -> None:
    frame = _frame("classification", "sample", MULTI_LABEL)
    assert frame.label.isna().all() and frame.class_name.isna().all()
    assert frame.correct.tolist() == [False, False] and frame["rank"].tolist() == [2, 2]
    assert _frame("classification", "candidate", MULTI_LABEL).correct.tolist() == [False, True, False, True]


def test_classification_a_candidate() -> None:
    frame = _frame("classification", "candidate", CLASSIFIED)
    assert frame["sample"].tolist() == ["x", "x", "y", "y"] and frame["rank"].tolist() == [1, 2, 1, 2]
    assert frame.candidate_name.tolist() == ["dog", "cat", "cat", "dog"] and frame.score.tolist() == [
        0.5,
        0.25,
        0.75,
        0.5,
    ]
    assert frame.correct.tolist() == [True, False, False, False]


def test_retrieval() -> None:
    images, captions = _frame("retrieval", "sample", RETRIEVED), _frame("retrieval", "caption", RETRIEVED)
    assert images.captions.tolist() == [1, 2] and images.best_caption.tolist() == ["a", "a"]
    assert captions["sample"].tolist() == ["x", "y", "y"] and captions.caption.tolist() == [0, 0, 1]
    assert captions.text.tolist() == ["a", "b", "c"] and captions["rank"].tolist() == [1, 2, 1]
    assert captions.best_image.tolist() == ["x", "x", "y"]


def test_segmentation() -> None:
    images, classes = _frame("segmentation", "sample", SEGMENTED), _frame("segmentation", "class", SEGMENTED)
    assert images.miou[0] == 0.5 and np.isnan(images.miou[1])
    assert classes["sample"].tolist() == ["x", "x"] and classes.class_name.tolist() == ["cat", "fish"]
    assert classes.iou.tolist() == [2 / 3, 1 / 2] and classes.intersection.tolist() == [2, 1]


def test_detection() -> None:
    boxes, objects = _frame("detection", "box", DETECTED), _frame("detection", "object", DETECTED)
    assert boxes["sample"].tolist() == ["x", "x"] and boxes.box.tolist() == [0, 1]
    assert boxes.class_name.tolist() == ["fish", pd.NA] and boxes.category_id.tolist() == [30, 90]
    assert boxes[["left", "top", "width", "height"]].to_numpy().tolist() == [[1, 2, 3, 4], [0, 0, 1, 1]]
    assert objects.image_id.tolist() == [8] and objects.crowd.tolist() == [True] and objects.area.tolist() == [56.0]
    images, regions = _frame("detection", "sample", DETECTED), _frame("detection", "region", DETECTED)
    assert images.detections.tolist() == [2, 0] and images.objects.tolist() == [0, 1]
    assert regions.class_name.tolist() == ["dog"] and regions.predicted_name.tolist() == ["cat"]
    assert regions["rank"].tolist() == [2]
    assert _frame("detection", "region", DETECTED.drop_columns("region_labels")).empty


def test_rare_actions_name_no_class_by_the_record_s_list_of_shown_ones() -> None:
    frame = _frame("rare_actions", "sample", CLIPS)
    assert frame.noun.tolist() == ["car", "tree"] and frame.annotation.tolist() == [1, 0]
    assert frame.class_name.isna().all() and frame.label.tolist() == [1, 2]
