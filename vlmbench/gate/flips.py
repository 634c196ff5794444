"""The samples that two sides answered most differently, from their aligned tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.answers.columns import numbers, rows
from vlmbench.gate.outcome import SampleFlip
from vlmbench.metrics.segmentation import image_mean_ious
from vlmbench.tasks.segmentation.paired import pixel_counts

if TYPE_CHECKING:
    import pyarrow as pa

LOSSES, GAINS = 10, 5
"""Samples shown. Who looks at a release looks for what it lost."""


def flipped_samples(baseline: pa.Table, candidate: pa.Table, class_names: Sequence[str]) -> list[SampleFlip]:
    """The samples that changed most, losses first, each the greatest first.

    Classification: where one side was right and the other wrong, by the confidence of the answer that was wrong.
    Retrieval: images whose own captions moved furthest among all. Segmentation: images whose mean IoU changed most.
    Tables of other tasks, and those that a baseline keeps without these columns, have none.

    Args:
        baseline: N rows.
        candidate: N rows of the same samples in the same order.
        class_names: by label.
    """
    shared = set(baseline.column_names) & set(candidate.column_names)
    if "annotation" in shared:  # of rare actions: the label is what was asked of a clip, whether it shows it or not
        return []
    if {"sample", "top", "label", "confidence"} <= shared:
        return _answers(baseline, candidate, class_names)
    if {"sample", "image_to_text_rank"} <= shared:
        return _ranks(baseline, candidate)
    if {"sample", "intersection", "predicted", "truth"} <= shared:
        return _overlaps(baseline, candidate)
    return []


def _answers(baseline: pa.Table, candidate: pa.Table, class_names: Sequence[str]) -> list[SampleFlip]:
    labels = numbers(baseline, "label")
    before, after = _first(baseline), _first(candidate)
    gained, lost = (before != labels) & (after == labels), (before == labels) & (after != labels)

    def flip(row: int) -> SampleFlip:
        return SampleFlip(
            sample=_sample(baseline, row),
            truth=_name(class_names, int(labels[row])),
            baseline=_name(class_names, int(before[row])),
            candidate=_name(class_names, int(after[row])),
            lost=bool(lost[row]),
        )

    losses = _greatest(np.where(lost, numbers(candidate, "confidence").astype(float), -1), LOSSES)
    gains = _greatest(np.where(gained, numbers(baseline, "confidence").astype(float), -1), GAINS)
    return [flip(row) for row in (*losses, *gains)]


def _ranks(baseline: pa.Table, candidate: pa.Table) -> list[SampleFlip]:
    before = numbers(baseline, "image_to_text_rank").astype(float)
    after = numbers(candidate, "image_to_text_rank").astype(float)
    # The fall from rank 1 to 5 is worse than that from 101 to 105.
    return _moved(baseline, np.log(before) - np.log(after), [f"rank {r:.0f}" for r in before], after, "rank {:.0f}")


def _overlaps(baseline: pa.Table, candidate: pa.Table) -> list[SampleFlip]:
    before, after = (image_mean_ious(pixel_counts(table)) for table in (baseline, candidate))
    change = np.nan_to_num(after - before)
    return _moved(baseline, change, [f"IoU {100 * value:.1f}" for value in before], 100 * after, "IoU {:.1f}")


def _moved(
    table: pa.Table, gain: NDArray[Any], before: Sequence[str], after: NDArray[Any], form: str
) -> list[SampleFlip]:
    moved = [*_greatest(-gain, LOSSES), *_greatest(gain, GAINS)]
    return [
        SampleFlip(
            sample=_sample(table, row),
            truth="",
            baseline=before[row],
            candidate=form.format(after[row]),
            lost=bool(gain[row] < 0),
        )
        for row in moved
    ]


def _greatest(values: NDArray[Any], most: int) -> list[int]:
    """The rows of the greatest values above 0; of equal ones, in their order."""
    order = np.argsort(-values, kind="stable")[:most]
    return [int(row) for row in order if values[row] > 0]


def _first(table: pa.Table) -> NDArray[Any]:
    return rows(table, "top")[:, 0]


def _sample(table: pa.Table, row: int) -> str:
    return str(table["sample"][row].as_py())


def _name(class_names: Sequence[str], label: int) -> str:
    return class_names[label] if 0 <= label < len(class_names) else f"class {label}"
