"""Computes the numbers of COCO and LVIS: means over classes, with jackknife intervals over images.

The detection task uses it, for its records and for comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.detection.boxes import Floats
from vlmbench.metrics.detection.matching import COCO_PER_CLASS, Matches
from vlmbench.metrics.detection.precision import average_precisions, recalls
from vlmbench.metrics.intervals import Weights
from vlmbench.metrics.jackknife import jackknife_estimates

OF_MASKS = "mask_"
"""Begins the names of metrics of masks. The rest is the name of the same metric of boxes."""
ROWS = 256
"""The rows of weights in a block. Each block takes a few calls for each class."""


@dataclass(frozen=True)
class BoxMeasure:
    """The definition of one number.

    Attributes:
        kind: average precision or average recall.
        area: the range of areas of the objects.
        threshold: the index of one overlap threshold; None: the mean over all thresholds.
        per_class: for recall: the number of predictions of each class and image that count; None: all.
        classes: the classes that count; None: all.
    """

    kind: Literal["ap", "ar"]
    area: str = "all"
    threshold: int | None = None
    per_class: int | None = None
    classes: frozenset[int] | None = None


_AT_50, _AT_75 = 0, 5
_PRECISIONS = {
    "ap": BoxMeasure("ap"),
    "ap50": BoxMeasure("ap", threshold=_AT_50),
    "ap75": BoxMeasure("ap", threshold=_AT_75),
    **{f"ap_{area}": BoxMeasure("ap", area) for area in ("small", "medium", "large")},
}
_RECALLS_BY_AREA = {f"ar_{area}": BoxMeasure("ar", area) for area in ("small", "medium", "large")}
COCO_MEASURES: dict[str, BoxMeasure] = {
    **_PRECISIONS,
    **{f"ar{count}": BoxMeasure("ar", per_class=count) for count in (1, 10, COCO_PER_CLASS)},
    **_RECALLS_BY_AREA,
}
"""The twelve numbers of ``COCOeval.summarize``, in its order."""
LVIS_MEASURES: dict[str, BoxMeasure] = {**_PRECISIONS, "ar300": BoxMeasure("ar"), **_RECALLS_BY_AREA}
"""The numbers of ``LVISEval.summarize``, except those of the frequency groups, which depend on the data."""
FREQUENCIES = {"rare": "r", "common": "c", "frequent": "f"}
"""LVIS' groups of classes by the number of training images that show them: up to 10, up to 100, more."""


def box_values(matches: Matches, measures: Mapping[str, BoxMeasure], weights: Weights) -> Floats:
    """(B, I) draws to (B, M) values; nan if a measure has no object in any class."""
    tables: dict[tuple[str, str, int | None], dict[int, Floats]] = {}
    result = np.full((len(weights), len(measures)), np.nan)
    draws = np.ascontiguousarray(weights.T)
    for column, measure in enumerate(measures.values()):
        key = (measure.kind, measure.area, measure.per_class)
        if key not in tables:
            tables[key] = _by_class(matches, measure, draws)
        chosen = [
            _of_class(measure, values)
            for label, values in tables[key].items()
            if measure.classes is None or label in measure.classes
        ]
        if chosen:
            stacked = np.stack(chosen)
            defined = ~np.isnan(stacked)
            total = np.where(defined, stacked, 0.0).sum(axis=0)
            result[:, column] = np.where(defined.any(axis=0), total / np.maximum(defined.sum(axis=0), 1), np.nan)
    return result


def class_values(matches: Matches, measure: BoxMeasure, classes: int, weights: Weights) -> Floats:
    """(B, I) draws to (B, C) values of each class; nan if it has no object. ``Measure.classes`` does not matter."""
    result = np.full((len(weights), classes), np.nan)
    for label, values in _by_class(matches, measure, np.ascontiguousarray(weights.T)).items():
        result[:, label] = _of_class(measure, values)
    return result


def box_estimates(
    matches: Matches, measures: Mapping[str, BoxMeasure], *, seed: int = 0, interval: bool = True
) -> dict[str, Estimate]:
    """Every measure with its 95% interval, from one jackknife over images.

    When images are left out, the rest is evaluated as pycocotools would do it: classes without objects do not count in
    the mean. The interval is for the value on unlimited images of the same kind, over the classes that have an object
    in these images.
    """
    found = jackknife_estimates(
        lambda weights: box_values(matches, measures, weights),
        matches.images,
        [undefined(measure) for measure in measures.values()],
        units="images",
        seed=seed,
        interval=interval,
        rows=ROWS,
    )
    return dict(zip(measures, found, strict=True))


def undefined(measure: BoxMeasure) -> str:
    """The reason for a missing value of a measure."""
    size = "" if measure.area == "all" else f" {measure.area}"
    of = "" if measure.classes is None else " of its classes"
    return f"the data has no{size} object{of} to find"


def _of_class(measure: BoxMeasure, values: Floats) -> Floats:
    """(B, T) values of one class to (B,)."""
    result: Floats = values.mean(axis=1) if measure.threshold is None else values[:, measure.threshold]
    return result


def _by_class(matches: Matches, measure: BoxMeasure, draws: NDArray[np.int32]) -> dict[int, Floats]:
    classes = matches.by_area[measure.area]
    if measure.kind == "ap":
        return {label: average_precisions(own, draws) for label, own in classes.items()}
    return {label: recalls(own, draws, measure.per_class) for label, own in classes.items()}
