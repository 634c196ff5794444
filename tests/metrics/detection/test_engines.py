"""Other implementations are offered only because they are pycocotools to the last digits that matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from metrics.detection.cases import crowded_case, pycocotools_stats, random_case

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.engines import ENGINES, engine_values
from vlmbench.metrics.detection.measures import COCO_MEASURES


def stats(engine: str, truth: BoxTruth, found: BoxPredictions) -> list[float]:
    pytest.importorskip(ENGINES[engine][0], reason="pip install 'vlmbench[detection]'")
    values = engine_values(engine, truth, found)
    assert list(values) == list(COCO_MEASURES)
    return [-1.0 if math.isnan(value) else value for value in values.values()]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(12))
def test_crowds_ties_and_empty_images(engine: str, seed: int) -> None:
    truth, found = random_case(seed)
    assert stats(engine, truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(4))
def test_more_predictions_than_count(engine: str, seed: int) -> None:
    truth, found = crowded_case(seed)
    assert stats(engine, truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_images_without_truth(engine: str) -> None:
    truth, found = random_case(5, images=40, objects=10, predictions=200)
    assert len(np.unique(truth.image)) < 12
    assert stats(engine, truth, found) == pytest.approx(pycocotools_stats(truth, found), abs=1e-9)
