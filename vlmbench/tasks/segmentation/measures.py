"""The metrics a segmentation card can name, and what chance would give."""

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
    """One metric: how it is computed (with the bootstrap's seed), and what a random class for every pixel gives."""

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
    """The named metrics; ``n`` counts images."""
    return {
        name: metric_value(MEASURES[name].compute(counts, seed), chance=MEASURES[name].chance(counts)) for name in names
    }


def class_results(counts: PixelCounts, class_names: Sequence[str]) -> list[ClassResult]:
    """IoU, accuracy and precision of each class over the dataset; ``n`` is how many images have it in their truth."""
    return [
        ClassResult(
            name=class_names[row.index],
            n=row.images,
            values={"iou": row.iou, "accuracy": row.accuracy, "precision": row.precision},
            reason=reasons({"no mask has it": row.accuracy is None, "it was never predicted": row.precision is None}),
        )
        for row in segmentation_rows(counts)
    ]
