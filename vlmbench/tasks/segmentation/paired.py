"""Computes the metrics of segmentation from tables of predictions, for comparisons of runs. ``kind.py`` names it.

The tables contain pixel counts for each class in each image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vlmbench.answers.columns import rows
from vlmbench.answers.measured import ClassStatistics, Measured, Pairing, SampleChanges
from vlmbench.metrics.segmentation import (
    PixelCounts,
    class_iou_statistics,
    image_mean_ious,
    mean_accuracy_statistic,
    mean_iou_statistic,
    pixel_accuracy_statistic,
)
from vlmbench.records import Summary
from vlmbench.tasks.segmentation.inspected import inspected

_COLUMNS = ("intersection", "predicted", "truth")
_ANSWERS = ("intersection", "predicted")
_STATISTICS = {
    "miou": mean_iou_statistic,
    "pixel_accuracy": pixel_accuracy_statistic,
    "mean_accuracy": mean_accuracy_statistic,
}


def measured(record: Summary, table: pa.Table, metric: str) -> Measured | None:
    """A metric of a table; None if this kind of task does not know the metric."""
    if metric not in _STATISTICS:
        return None
    counts = pixel_counts(table)
    met = counts.intersection  # accuracies depend only on the pixels that are predicted correctly
    seen = np.stack([met, counts.predicted], axis=2) if metric == "miou" else met
    return Measured(len(counts), _STATISTICS[metric](counts), seen, classes=lambda: _ious(counts))


def _ious(counts: PixelCounts) -> ClassStatistics:
    return ClassStatistics(
        "iou",
        class_iou_statistics(counts),
        np.stack([counts.intersection, counts.predicted], axis=2),
        ((counts.truth > 0) | (counts.predicted > 0)).sum(axis=0),
    )


def pixel_counts(table: pa.Table) -> PixelCounts:
    """The pixel counts of a table, for each class in each image."""
    return PixelCounts(*(rows(table, name).astype(np.int64) for name in _COLUMNS))


def changes(baseline: pa.Table, candidate: pa.Table, class_names: Sequence[str]) -> SampleChanges | None:
    """How the mean IoU of each image changed; None if a table lacks a column."""
    if not all(set(_COLUMNS) <= set(table.column_names) for table in (baseline, candidate)):
        return None
    before, after = (image_mean_ious(pixel_counts(table)) for table in (baseline, candidate))
    return SampleChanges(
        np.nan_to_num(after - before),
        lambda row: f"IoU {100 * before[row]:.1f}",
        lambda row: f"IoU {100 * after[row]:.1f}",
    )


PAIRING = Pairing(measured, columns=_COLUMNS, answers=_ANSWERS, changes=changes, inspected=inspected)
