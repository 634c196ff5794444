"""Which samples are worst, by kind of task, on tables small enough to judge by eye."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vlmbench.answers.inspected import FoundImage, Inspected
from vlmbench.answers.paired_metric import pairing


def inspected(kind: str, table: dict[str, object], names: tuple[str, ...] = ("a", "b", "c")) -> Inspected:
    found = pairing(kind).inspected(pa.table(table), names)
    assert found is not None
    return found


def test_a_label_outside_of_the_best_is_at_least_as_far_below() -> None:
    lists = pa.list_(pa.float32(), 2)
    table = {
        "label": [0, 2, 1],
        "top": [[0, 1], [0, 1], [2, 1]],
        "top_scores": pa.array([[0.9, 0.1], [0.8, 0.5], [0.7, 0.1]], lists),
    }
    found = inspected("classification", table)
    assert found.badness == pytest.approx([0.0, 0.3, 0.6]) and found.worst(5) == [2, 1]
    assert found.reason(1) == "scored at least 0.300 above the true class"
    assert found.reason(2) == "scored 0.600 above the true class"
    assert [(one.true, one.predicted, one.count) for one in found.confusions] == [("b", "c", 1), ("c", "a", 1)]


def test_a_baseline_without_scores_goes_by_confidence() -> None:
    table = {"label": [0, 0, 1], "top": [[1, 0], [0, 1], [0, 1]], "confidence": [0.6, 0.9, 0.7]}
    found = inspected("classification", table)
    assert found.worst(5) == [2, 0] and found.reason(2) == "confidence 70.0%"


def test_several_labels_go_by_the_weakest_present_class() -> None:
    table = {"labels": [[0], [0, 2], []], "scores": [[0.9, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.2, 0.3]]}
    found = inspected("classification", table)
    assert found.badness == pytest.approx([-0.7, 0.3, 0.0]) and found.worst(5) == [1]
    assert list(found.truth(1)) == ["a: rank 1", "c: rank 3"]
    assert [line.right for line in found.answer(1)] == [True, False, True]


def test_retrieval_goes_by_both_ranks_and_names_what_was_found() -> None:
    table = {
        "image_to_text_rank": [1, 3],
        "text_to_image_ranks": [[1, 1], [2, 1]],
        "captions": [["x", "y"], ["z", "x"]],
        "top_captions": [["x", "z"], ["y", "z"]],
        "top_image": [["p", "p"], ["p", "q"]],
    }
    found = inspected("retrieval", table, ())
    assert found.badness == pytest.approx([0.0, np.log(3) + np.log(2) / 2]) and found.worst(5) == [1]
    assert [line.right for line in found.answer(1)] == [False, True]
    assert found.found is not None and list(found.found(1)) == [FoundImage("z", "p")]
    assert found.truth(1)[0] == "z (finds this image at rank 2)"


def test_segmentation_goes_by_the_images_own_iou() -> None:
    table = {
        "intersection": [[4, 0], [2, 1], [0, 0]],
        "predicted": [[4, 0], [3, 1], [0, 0]],
        "truth": [[4, 0], [2, 2], [0, 0]],
    }
    found = inspected("segmentation", table)
    assert found.badness[:2] == pytest.approx([0.0, 1 - (2 / 3 + 1 / 2) / 2]) and found.worst(5) == [1]
    assert found.reason(1) == "mean IoU 58.3" and found.answer(1)[0].text == "a: IoU 66.7"


def boxes(*corners: tuple[float, ...]) -> list[list[float]]:
    return [list(box) for box in corners]


def test_detection_counts_missed_objects_and_confident_false_boxes() -> None:
    one, other = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 10.0, 10.0)
    table = {
        "boxes": [boxes(one), boxes(other), boxes(one, other)],
        "scores": [[1.0], [0.5], [0.8, 0.4]],
        "labels": [[0], [0], [1, 0]],
        "truth_boxes": [boxes(one), boxes(one), boxes(one, other)],
        "truth_labels": [[0], [0], [0, 0]],
        "truth_crowds": [[False], [False], [False, True]],
    }
    found = inspected("detection", table)
    # Found with the highest score; missed, with a false box; missed, with a false box, the other inside a crowd.
    assert found.badness == pytest.approx([0.0, 1.5, 1.8]) and found.worst(5) == [2, 1]
    assert found.reason(2) == "1 of 2 objects missed, a false box with score 0.800"
    assert list(found.truth(2)) == ["a: missed", "a: a crowd, which does not count"]
    assert [line.right for line in found.answer(2)] == [False, None]
    assert found.boxes is not None and found.boxes(0).corners.tolist() == [[0, 0, 10, 10]]


def test_lvis_boxes_of_classes_that_were_not_looked_for_are_not_false() -> None:
    box = boxes((0.0, 0.0, 10.0, 10.0))
    table = {
        "boxes": [box * 2],
        "scores": [[0.9, 0.8]],
        "labels": [[1, 2]],
        "truth_boxes": [[[90.0, 90.0, 5.0, 5.0]]],
        "truth_labels": [[0]],
        "truth_crowds": [[False]],
        "absent": [[2]],
        "partial": pa.array([[]], pa.list_(pa.int32())),
    }
    found = inspected("detection", table)
    assert [line.right for line in found.answer(0)] == [None, False]


def test_a_box_behind_a_hundred_others_still_finds_its_object() -> None:
    others, own = boxes((0.0, 0.0, 10.0, 10.0)), boxes((90.0, 90.0, 5.0, 5.0))
    table = {
        "boxes": [others * 150 + own],
        "scores": [[0.9] * 150 + [0.1]],
        "labels": [[1] * 150 + [0]],
        "truth_boxes": [own],
        "truth_labels": [[0]],
        "truth_crowds": [[False]],
    }
    assert inspected("detection", table).truth(0) == ["a: found with score 0.100"]


def test_rare_actions_judges_the_clips_that_show_their_action() -> None:
    table = {
        "label": [0, 1],
        "annotation": [1, 0],
        "video": ["v", "w"],
        "verb": ["cut", "cook"],
        "noun": ["phone", "key"],
        "scores": [[0.1, 0.4], [0.9, 0.1]],
    }
    found = inspected("rare_actions", table, ())
    assert found.worst(5) == [0] and found.answer(0)[0].text == "cook key" and found.badness[0] == pytest.approx(0.3)


@pytest.mark.parametrize("kind", ["classification", "retrieval", "segmentation", "detection", "rare_actions"])
def test_a_table_without_the_columns_tells_nothing(kind: str) -> None:
    assert pairing(kind).inspected(pa.table({"sample": ["x"]}), ("a",)) is None
