"""Measures whether two scores differ only by the rounding of float32. The gate uses it.

The same model with another batch size, thread count or machine adds its products in another order. Batch sizes of 1, 8
and 64 with one and two threads change the cosines of the demo's CLIP by up to 4e-7 and its probabilities by 1.2e-6, in
the units below; they change those of a ViT-B/32 with random weights by 1e-7. The smallest real changes that were tried
(8-bit weights, bf16, another resize, a mean that is wrong by 0.01) change some cosine of every task by at least 3e-3.
:data:`TOLERANCE` lies between, with a margin for deeper models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import flat_numbers

TOLERANCE = 1e-5
"""The largest difference of two scores by rounding, in the unit of their kind (:data:`ScoreKind`)."""
LOGIT_SCALE = 100.0
"""The largest factor of CLIP models between cosines and a softmax. A probability p changes p (1 - p) times as much."""
_STEPS = 4
"""The rounding of float32 in a probability itself."""
_SHARE = 0.01
"""A share of the spread of all scores. A larger difference is not rounding, even if the scores are small."""

ScoreKind: TypeAlias = Literal["similarity", "probability", "box"]
"""Similarity: cosines and logits; the unit is 1, or the largest score of the sample if that is larger. Probability: the
unit is its change if a logit changes by :data:`LOGIT_SCALE`. Box: left, top, width and height; the unit is the largest
distance of the box from the image's corner."""


@dataclass(frozen=True)
class Scores:
    """A column of scores, or of lists of them, which rounding may move.

    Attributes:
        column: the column's name.
        kind: the kind of its scores.
        optional: whether tables may lack it.
    """

    column: str
    kind: ScoreKind = "similarity"
    optional: bool = False


@dataclass(frozen=True)
class Rounding:
    """Two runs that differ only by rounding.

    Attributes:
        largest: the largest difference of two scores, in the unit of their kind; at most :data:`TOLERANCE`.
        column: the column with that difference.
    """

    largest: float
    column: str


def largest_distance(baseline: pa.Table, candidate: pa.Table, scores: Scores) -> float | None:
    """The largest difference between the scores of two tables of the same samples, in the unit of :data:`ScoreKind`.

    None if the scores cannot be compared: their counts differ, or some are missing or not numbers. It is inf if a
    difference is undefined, because a score is NaN for example.
    """
    found = [flat_numbers(table, scores.column) for table in (baseline, candidate)]
    if found[0] is None or found[1] is None:
        return None
    (before, lengths), (after, others) = found[0], found[1]
    if len(before) != len(after) or not np.array_equal(lengths, others):
        return None
    return float(distances(before, after, lengths, scores.kind).max(initial=0.0))


def distances(
    before: NDArray[Any], after: NDArray[Any], lengths: NDArray[np.int64], kind: ScoreKind
) -> NDArray[np.float64]:
    """(M,) the differences of scores, in the unit of :data:`ScoreKind`; inf if a difference is undefined.

    Args:
        before: (M,) scores, sample after sample; a box has four numbers.
        after: the same of the other table.
        lengths: (N,) the number of scores of each sample.
        kind: the kind of the scores.
    """
    first, second = before.astype(np.float64), after.astype(np.float64)
    most = max(map(_spread, (first, second))) or np.inf
    unit = np.maximum(*(_units(each, lengths, kind, most) for each in (first, second)))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(first == second, 0.0, np.abs(first - second) / unit)
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf)


def _spread(values: NDArray[np.float64]) -> float:
    """An upper bound of the unit of similarities. It is 0 if all scores are equal apart from rounding, or if there is
    only one score: then their scale is unknown."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0 or np.ptp(finite) <= _STEPS * np.finfo(np.float32).eps * np.abs(finite).max():
        return 0.0
    return _SHARE * float(finite.std()) / TOLERANCE


def _units(
    values: NDArray[np.float64], lengths: NDArray[np.int64], kind: ScoreKind, most: float
) -> NDArray[np.float64]:
    sizes = np.abs(values)
    if kind == "box":
        left_top, right_bottom = sizes.reshape(-1, 4)[:, :2], np.abs(values.reshape(-1, 2, 2).sum(axis=1))
        return np.repeat(np.maximum(left_top, right_bottom).max(axis=1), 4)
    if kind == "probability":
        own = LOGIT_SCALE * (1 - sizes) + _STEPS * np.finfo(np.float32).eps / TOLERANCE
        return np.where((values >= 0) & (values <= 1), sizes * own, sizes)
    largest = np.zeros(len(lengths))
    some = np.flatnonzero(lengths)
    starts = (np.cumsum(lengths) - lengths)[some]
    largest[some] = np.maximum.reduceat(sizes, starts) if len(some) else 0.0
    return np.minimum(np.maximum(np.repeat(largest, lengths), 1.0), most)
