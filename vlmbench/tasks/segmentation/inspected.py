"""Finds the images with the lowest mean IoU, and the pixels of their classes, for ``vlmbench show``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vlmbench.answers.columns import rows
from vlmbench.answers.inspected import AnswerLine, Inspected, class_name, has
from vlmbench.metrics.segmentation import PixelCounts, image_mean_ious

_CLASSES_SHOWN = 8
_COLUMNS = ("intersection", "predicted", "truth")


def inspected(table: pa.Table, class_names: Sequence[str]) -> Inspected | None:
    """How wrong the answer to each image of a table is; None if the table lacks a column."""
    if not has(table, _COLUMNS):
        return None
    counts = PixelCounts(*(rows(table, name).astype(np.int64) for name in _COLUMNS))
    ious = image_mean_ious(counts)

    def truth(row: int) -> list[str]:
        pixels = counts.truth[row]
        order = np.argsort(-pixels, kind="stable")
        shown = [int(label) for label in order if pixels[label]]
        share = 100 / max(int(pixels.sum()), 1)
        lines = [f"{class_name(class_names, label)}: {share * pixels[label]:.1f}% of pixels" for label in shown]
        more = len(lines) - _CLASSES_SHOWN
        return [*lines[:_CLASSES_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]

    def answer(row: int) -> list[AnswerLine]:
        predicted, met, true = counts.predicted[row], counts.intersection[row], counts.truth[row]
        lost = predicted + true - 2 * met
        order = [int(label) for label in np.argsort(-lost, kind="stable") if predicted[label] or true[label]]
        share = 100 / max(int(true.sum()), 1)
        return [
            AnswerLine(
                f"{class_name(class_names, label)}: IoU "
                f"{100 * met[label] / (predicted[label] + true[label] - met[label]):.1f}",
                f"predicted for {share * predicted[label]:.1f}% of pixels",
                right=bool(true[label]),
            )
            for label in order[:_CLASSES_SHOWN]
        ]

    return Inspected(
        badness=1 - ious,
        order="The images with the lowest mean IoU of their own come first. In each answer, the classes with the most "
        "wrong pixels come first, and a tick marks a class that is in the image. A record keeps no predicted masks, so "
        "the pictures show the true classes. To draw the predictions, use vlmbench run --save-visuals N.",
        reason=lambda row: f"mean IoU {100 * ious[row]:.1f}",
        truth=truth,
        answer=answer,
    )
