"""The metrics that a segmentation card can name, and their chance levels. The segmentation plugin uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.segmentation import (
    PixelCounts,
    mean_accuracy,
    mean_iou,
    pixel_accuracy,
    random_mean_iou,
    segmentation_rows,
)
from vlmbench.records import ClassResult, MetricValue
from vlmbench.tasks.base import metric_value, reasons


@dataclass(frozen=True)
class Measure:
    """One metric.

    Attributes:
        compute: from the pixel counts and the seed of the bootstrap to the metric with its interval.
        chance: the value if each pixel had a random class; None if it is undefined.
    """

    compute: Callable[[PixelCounts, int], Estimate]
    chance: Callable[[PixelCounts], float | None]


def _uniform(counts: PixelCounts) -> float | None:
    return 1 / counts.num_classes if counts.truth.any() else None


MEASURES: dict[str, Measure] = {
    "miou": Measure(lambda counts, seed: mean_iou(counts, seed=seed), random_mean_iou),
    "pixel_accuracy": Measure(lambda counts, seed: pixel_accuracy(counts, seed=seed), _uniform),
    "mean_accuracy": Measure(lambda counts, seed: mean_accuracy(counts, seed=seed), _uniform),
}


def metric_values(names: Sequence[str], counts: PixelCounts, seed: int) -> dict[str, MetricValue]:
    """The values of the named metrics; ``n`` is the number of images."""
    return {
        name: metric_value(MEASURES[name].compute(counts, seed), chance=MEASURES[name].chance(counts)) for name in names
    }


def class_results(counts: PixelCounts, class_names: Sequence[str]) -> list[ClassResult]:
    """IoU, accuracy and precision of each class over the dataset; ``n`` is the number of images whose truth has it."""
    return [
        ClassResult(
            name=class_names[row.index],
            n=row.images,
            values={"iou": row.iou, "accuracy": row.accuracy, "precision": row.precision},
            reason=reasons(
                {"no mask has the class": row.accuracy is None, "it was never predicted": row.precision is None}
            ),
        )
        for row in segmentation_rows(counts)
    ]
