"""Average precision and recall: pycocotools asked directly, hand-worked cases, and exact resamples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.detection.cases import crowded_case, pycocotools_stats, random_case

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, BoxMeasure, box_estimates, box_values


def boxes(rows: list[tuple[int, int, tuple[float, float, float, float]]], **fields: object) -> dict[str, object]:
    return {
        "image": np.array([row[0] for row in rows], dtype=np.int64),
        "label": np.array([row[1] for row in rows], dtype=np.int64),
        "xywh": np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4),
        **fields,
    }


def truth_of(rows: list[tuple[int, int, tuple[float, float, float, float]]], images: int, classes: int) -> BoxTruth:
    made = boxes(rows)
    area = made["xywh"][:, 2] * made["xywh"][:, 3]  # type: ignore[index]
    return BoxTruth(images=images, classes=classes, area=area, crowd=np.zeros(len(rows), dtype=bool), **made)  # type: ignore[arg-type]


def found_of(rows: list[tuple[int, int, tuple[float, float, float, float]]], scores: list[float]) -> BoxPredictions:
    return BoxPredictions(score=np.array(scores), **boxes(rows))  # type: ignore[arg-type]


def values(truth: BoxTruth, found: BoxPredictions) -> list[float]:
    once = np.ones((1, truth.images), dtype=np.int32)
    row = box_values(match_boxes(truth, found), COCO_MEASURES, once)[0]
    return [-1.0 if np.isnan(value) else float(value) for value in row]


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_all_twelve_are_pycocotools(seed: int, ties: bool) -> None:
    truth, found = random_case(seed, ties=ties)
    assert values(truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_more_predictions_than_count(seed: int) -> None:
    truth, found = crowded_case(seed)
    counts = np.bincount(found.image * truth.classes + found.label)
    assert counts.max() > 100
    assert values(truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-12)


def test_images_and_classes_without_anything() -> None:
    truth = truth_of([(1, 0, (10, 10, 20, 20))], images=4, classes=3)
    found = found_of([(0, 0, (10, 10, 20, 20)), (3, 2, (1, 1, 5, 5))], [0.9, 0.8])
    assert values(truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-12)
    assert values(truth, found)[0] == 0.0
    nothing = found_of([], [])
    assert values(truth, nothing)[:2] == [0.0, 0.0]
    empty = truth_of([], images=2, classes=3)
    assert values(empty, found_of([(0, 0, (1, 1, 2, 2))], [0.5])) == [-1.0] * 12


def test_boxes_outside_the_image_and_of_no_area_are_the_evaluators_matter() -> None:
    truth = truth_of([(0, 0, (-50, -50, 30, 30)), (0, 0, (10, 10, 0, 5)), (0, 1, (500, 500, 40, 40))], 1, 2)
    found = found_of([(0, 0, (-50, -50, 30, 30)), (0, 0, (10, 10, 0, 5)), (0, 1, (500, 500, 40, 0))], [0.9, 0.8, 0.7])
    assert values(truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-12)


def test_the_truth_itself_is_perfect() -> None:
    truth, _ = random_case(3)
    keep = ~truth.crowd
    found = BoxPredictions(
        truth.image[keep], truth.label[keep], truth.xywh[keep].astype(np.float32).astype(float), np.ones(keep.sum())
    )
    matches = match_boxes(truth, found)
    result = box_values(matches, COCO_MEASURES, np.ones((1, truth.images), dtype=np.int32))[0]
    by_name = dict(zip(COCO_MEASURES, result, strict=True))
    assert by_name["ap"] == by_name["ap50"] == by_name["ar100"] == pytest.approx(1.0, abs=1e-12)


def test_groups_of_classes_by_hand() -> None:
    """Base: a hit, then a miss ranked below it (AP50 1). Novel: a miss first (precision 1/2), and one class unfound."""
    here, there = (10.0, 10.0, 40.0, 40.0), (200.0, 200.0, 40.0, 40.0)
    truth = truth_of([(0, 0, here), (0, 1, here), (1, 2, here)], images=2, classes=4)
    found = found_of([(0, 0, here), (0, 0, there), (0, 1, there), (0, 1, here)], [0.9, 0.1, 0.8, 0.7])
    ap50 = COCO_MEASURES["ap50"]
    measures = {
        "ap50": ap50,
        "ap50_base": replace(ap50, classes=frozenset({0})),
        "ap50_novel": replace(ap50, classes=frozenset({1, 2, 3})),
        "ap50_absent": replace(ap50, classes=frozenset({3})),
    }
    estimates = box_estimates(match_boxes(truth, found), measures, interval=False)
    assert estimates["ap50_base"].value == pytest.approx(1.0)
    assert estimates["ap50_novel"].value == pytest.approx((0.5 + 0.0) / 2), "the class without objects is left out"
    assert estimates["ap50"].value == pytest.approx((1.0 + 0.5 + 0.0) / 3)
    assert np.isnan(estimates["ap50_absent"].value) and estimates["ap50_absent"].low is None
    assert estimates["ap50_absent"].reason == "the data has no object of its classes to find"


@pytest.mark.parametrize("seed", range(4))
def test_a_resample_is_evaluated_as_if_its_images_were_there_twice(seed: int) -> None:
    truth, found = random_case(seed, images=6, objects=40, predictions=150, ties=False)
    drawn = np.random.default_rng(seed).integers(0, 6, 6)
    weights = np.bincount(drawn, minlength=6).astype(np.int32)[None]
    order = np.repeat(np.arange(6), weights[0])  # copies side by side: equal scores are ranked by image
    rows_of, found_rows = [np.flatnonzero(truth.image == i) for i in order], [found.image == i for i in order]
    rows, places = np.concatenate(rows_of), np.concatenate([np.flatnonzero(own) for own in found_rows])
    copied = BoxTruth(
        images=6,
        classes=truth.classes,
        image=np.repeat(np.arange(6), [len(own) for own in rows_of]),
        label=truth.label[rows],
        xywh=truth.xywh[rows],
        area=truth.area[rows],
        crowd=truth.crowd[rows],
    )
    copies = BoxPredictions(
        np.repeat(np.arange(6), [own.sum() for own in found_rows]),
        found.label[places],
        found.xywh[places],
        found.score[places],
    )
    result = box_values(match_boxes(truth, found), COCO_MEASURES, weights)[0]
    expected = pycocotools_stats(copied, copies)
    assert np.where(np.isnan(result), -1, result) == pytest.approx(expected, abs=1e-12)


def test_an_interval_holds_its_value_whatever_else_is_measured() -> None:
    truth, found = random_case(1, images=200, classes=4, objects=800, predictions=3000, ties=False)
    estimate = box_estimates(match_boxes(truth, found), {"ap50": COCO_MEASURES["ap50"]})["ap50"]
    assert estimate.low is not None and estimate.high is not None
    assert 0.0 < estimate.high - estimate.low < 0.2 and estimate.n == 200
    assert estimate.low <= estimate.value <= estimate.high
    again = box_estimates(match_boxes(truth, found), {"ap": BoxMeasure("ap"), "x": COCO_MEASURES["ap50"]})
    assert again["x"] == estimate, "the same images are left out, whatever else is measured"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("score", np.array([np.nan]), r"score\[0\] is nan"),
        ("xywh", np.array([[0, 0, np.inf, 1]]), "must be finite"),
        ("label", np.array([0, 1]), "1 boxes need as many of label"),
    ],
)
def test_what_is_no_prediction_is_refused(field: str, value: np.ndarray, message: str) -> None:
    fields = {"image": np.array([0]), "label": np.array([0]), "xywh": np.zeros((1, 4)), "score": np.array([0.5])}
    with pytest.raises(ValueError, match=message):
        BoxPredictions(**{**fields, field: value})


def test_objects_of_no_image_or_class_are_refused() -> None:
    with pytest.raises(ValueError, match=r"label must lie in \[0, 2\)"):
        truth_of([(0, 2, (1, 1, 1, 1))], images=1, classes=2)
    with pytest.raises(ValueError, match=r"image must lie in \[0, 1\)"):
        truth_of([(1, 0, (1, 1, 1, 1))], images=1, classes=2)
