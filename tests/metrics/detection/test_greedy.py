"""Every match of every prediction, beside pycocotools' own, on boxes that overlap alike."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.detection.cases import crowded_case, random_case
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlmbench.metrics.detection import greedy
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.engines import coco_dataset, coco_results
from vlmbench.metrics.detection.matching import AREAS, match_boxes


def grid_case(seed: int) -> tuple[BoxTruth, BoxPredictions]:
    """Boxes on a coarse grid, some without area: many pairs overlap exactly alike, or exactly as a threshold asks."""
    random = np.random.default_rng(seed)
    objects, predictions = 40, 120
    truth = BoxTruth(
        images=4,
        classes=2,
        image=random.integers(0, 4, objects),
        label=random.integers(0, 2, objects),
        xywh=random.integers(0, 5, (objects, 4)) * 10.0,
        area=random.choice([10.0, 32.0**2, 96.0**2, 20_000.0], objects),
        crowd=random.random(objects) < 0.25,
    )
    found = BoxPredictions(
        random.integers(0, 4, predictions),
        random.integers(0, 2, predictions),
        random.integers(0, 5, (predictions, 4)) * 10.0,
        random.integers(0, 4, predictions) / 4,
    )
    return truth, found


def assert_the_same_matches(truth: BoxTruth, found: BoxPredictions) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = coco_dataset(truth)
        ground.createIndex()
        run = COCOeval(ground, ground.loadRes(coco_results(found)), "bbox")
        run.evaluate()
    theirs = {
        (each["category_id"] - 1, each["image_id"] - 1, tuple(each["aRng"])): each
        for each in run.evalImgs
        if each is not None
    }
    for area, classes in match_boxes(truth, found).by_area.items():
        for label, own in classes.items():
            for column, (image, place) in enumerate(zip(own.image.tolist(), own.place.tolist(), strict=True)):
                each = theirs[label, image, AREAS[area]]
                assert own.matched[:, column].tolist() == (each["dtMatches"][:, place] > 0).tolist()
                assert own.counted[:, column].tolist() == (~each["dtIgnore"][:, place].astype(bool)).tolist()
            ours = np.bincount(own.positives, minlength=truth.images).tolist()
            counts = [theirs.get((label, image, AREAS[area])) for image in range(truth.images)]
            assert ours == [0 if each is None else int((each["gtIgnore"] == 0).sum()) for each in counts]


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_boxes_that_overlap_alike(seed: int) -> None:
    assert_the_same_matches(*grid_case(seed))


@pytest.mark.parametrize("seed", range(5))
def test_crowds_ties_and_more_predictions_than_count(seed: int) -> None:
    assert_the_same_matches(*random_case(seed))
    assert_the_same_matches(*crowded_case(seed))


def test_blocks_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, found = random_case(7)
    whole = match_boxes(truth, found).by_area["all"]
    monkeypatch.setattr(greedy, "PAIRS_AT_ONCE", 3)
    for label, own in match_boxes(truth, found).by_area["all"].items():
        assert np.array_equal(own.matched, whole[label].matched)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_overlaps_are_pycocotools_to_the_last_bit(seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes = random.integers(-2, 6, (20, 4)) * random.choice([1.0, 0.1, 1 / 3], (20, 4))
    objects = np.abs(random.integers(-2, 6, (15, 4)) * random.choice([1.0, 0.1, 1 / 3], (15, 4)))
    crowd = random.random(15) < 0.3
    theirs = mask.iou(boxes, objects, crowd.astype(np.uint8).tolist())
    ours = greedy._overlaps(np.repeat(boxes, 15, axis=0), np.tile(objects, (20, 1)), np.tile(crowd, 20))
    assert np.array_equal(ours.reshape(20, 15), theirs)


def test_a_prediction_of_no_class_finds_nothing() -> None:
    truth, found = random_case(1)
    beyond = BoxPredictions(found.image, found.label + truth.classes, found.xywh, found.score)
    assert not any(own.matched.any() for own in match_boxes(truth, beyond).by_area["all"].values())
