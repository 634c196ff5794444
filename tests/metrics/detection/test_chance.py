"""Chance of average precision: a hand-worked case, and answers that know nothing have it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.chance import chance_by_shuffling
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, box_values

AP = {"ap": COCO_MEASURES["ap"], "ap_large": COCO_MEASURES["ap_large"]}


def scene(labels: list[int], scores: np.ndarray) -> tuple[BoxTruth, BoxPredictions]:
    """One object an image, and a detection of every class in its box, scores (N, C)."""
    count, classes = scores.shape
    box = np.tile([0.0, 0.0, 10.0, 10.0], (count, 1))
    truth = BoxTruth(
        count, classes, np.arange(count), np.array(labels), box, np.full(count, 100.0), np.zeros(count, bool)
    )
    every = np.repeat(np.arange(count), classes)
    return truth, BoxPredictions(every, np.tile(np.arange(classes), count), box[every], scores.ravel())


def value(truth: BoxTruth, found: BoxPredictions) -> float:
    return float(box_values(match_boxes(truth, found), AP, np.ones((1, truth.images), np.int32))[0, 0])


def test_the_mean_over_all_orders_of_three_classes() -> None:
    scores = np.array([[0.9, 0.2, 0.1], [0.3, 0.8, 0.2], [0.1, 0.3, 0.7]])
    orders = [value(*scene(list(order), scores)) for order in permutations(range(3))]
    truth, found = scene([0, 1, 2], scores)
    many = np.mean([chance_by_shuffling(truth, found, AP, seed=seed)["ap"] for seed in range(40)])
    assert many == pytest.approx(np.mean(orders), abs=0.03) and value(truth, found) == pytest.approx(1.0)
    assert np.isnan(chance_by_shuffling(truth, found, AP)["ap_large"])


def test_answers_that_know_nothing_are_at_chance_and_right_ones_above() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, 2000)
    truth, blind = scene(labels.tolist(), random.random((2000, 4)))
    _, right = scene(labels.tolist(), np.eye(4)[labels])
    assert value(truth, blind) == pytest.approx(chance_by_shuffling(truth, blind, AP)["ap"], abs=0.02)
    assert value(truth, right) == pytest.approx(1.0)
    assert chance_by_shuffling(truth, right, AP)["ap"] == pytest.approx(0.25, abs=0.02)


def test_crowds_keep_their_class() -> None:
    truth, found = scene([0, 1], np.array([[0.9, 0.1], [0.1, 0.9]]))
    truth = BoxTruth(2, 2, truth.image, truth.label, truth.xywh, truth.area, np.array([True, False]))
    assert chance_by_shuffling(truth, found, AP)["ap"] == pytest.approx(value(truth, found)), "one object: no shuffle"
