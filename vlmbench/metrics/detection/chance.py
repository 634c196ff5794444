"""What average precision and recall would be by chance: the same answers, but the classes of the objects shuffled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import BoxMeasure, box_values

_PREDICTIONS = 30_000
"""Matched in all shuffles together: small data, whose chance varies, is shuffled often, and large data once."""
_MOST = 20


def chance_by_shuffling(
    truth: BoxTruth, found: BoxPredictions, measures: Mapping[str, BoxMeasure], *, seed: int = 0
) -> dict[str, float]:
    """Every measure's mean over shuffles of the objects' classes; nan where it has no object.

    Boxes, images and areas stay as they are, and every class keeps its number of objects; crowds keep their class. So
    it is what a model gets whose answers have nothing to do with what is in the boxes. It means something where the
    boxes are given: where a model finds its own, what it gets by chance depends on where it looks.
    """
    random = np.random.default_rng(seed)
    single = np.flatnonzero(~truth.crowd)
    once = np.ones((1, truth.images), dtype=np.int32)
    shuffles = min(_MOST, max(1, _PREDICTIONS // max(1, len(found.image))))
    values = np.empty((shuffles, len(measures)))
    for row in range(shuffles):
        label = truth.label.copy()
        label[single] = random.permutation(truth.label[single])
        values[row] = box_values(match_boxes(replace(truth, label=label), found), measures, once)[0]
    return dict(zip(measures, values.mean(axis=0).tolist(), strict=True))
