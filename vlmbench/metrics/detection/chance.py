"""Computes chance levels of average precision and recall: the same answers, with the objects' classes shuffled.

The detection task states them beside its metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import BoxMeasure, box_values

_PREDICTIONS = 30_000
"""The number of predictions to match in all shuffles together. Small data, whose chance level varies, is shuffled
often; large data is shuffled once."""
_MOST = 20


def chance_by_shuffling(
    truth: BoxTruth, found: BoxPredictions, measures: Mapping[str, BoxMeasure], *, seed: int = 0
) -> dict[str, float]:
    """The mean of every measure over shuffles of the objects' classes; nan if it has no object.

    Boxes, images and areas do not change, every class keeps its number of objects, and crowds keep their class. So this
    is the score of a model whose answers do not depend on the content of the boxes. It is meaningful if the boxes are
    given. If a model finds its own boxes, its score by chance depends on where it looks.
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
