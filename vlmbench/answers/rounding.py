"""How far scores of two runs may lie apart and still be one model's: the rounding of float32, and nothing else.

The same model at another batch size, thread count or machine adds up its products in another order. Over batch sizes of
1, 8 and 64 and one and two threads that moves the cosines of the demo's CLIP by up to 4e-7 and its probabilities by
1.2e-6, in the units below; those of a ViT-B/32 of random weights by 1e-7. The smallest real changes that were tried
(8-bit weights, bf16, another resize, a mean that is off by 0.01) move some cosine of every task by 3e-3 or more.
:data:`TOLERANCE` lies between, with room for deeper models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import flat_numbers

TOLERANCE = 1e-5
"""How far two scores may lie apart, in the unit of their kind (:data:`ScoreKind`)."""
LOGIT_SCALE = 100.0
"""What CLIP models multiply cosines with, at most, before a softmax: a probability p moves p (1 - p) times as much."""
_STEPS = 4
"""Of float32, that a probability may be off by in itself."""
_SHARE = 0.01
"""Of the spread of all scores: what is more than this is no rounding, however small the scores are."""

ScoreKind: TypeAlias = Literal["similarity", "probability", "box"]
"""Similarity: cosines and logits; the unit is 1, or the largest score of the sample where that is more. Probability:
the unit is what a logit's change of :data:`LOGIT_SCALE` makes of it. Box: left, top, width and height; the unit is how
far the box reaches from the image's corner."""


@dataclass(frozen=True)
class Scores:
    """A column of scores, or of lists of them, which rounding may move.

    Attributes:
        column: its name.
        kind: what it holds.
        optional: tables may be without it.
    """

    column: str
    kind: ScoreKind = "similarity"
    optional: bool = False


@dataclass(frozen=True)
class Rounding:
    """Two runs that agree but for rounding.

    Attributes:
        largest: how far two scores lie apart at most, in the unit of their kind; at most :data:`TOLERANCE`.
        column: which scores.
    """

    largest: float
    column: str


def largest_distance(baseline: pa.Table, candidate: pa.Table, scores: Scores) -> float | None:
    """How far the scores of two tables of the same samples lie apart at most, in the unit of their kind.

    None where they cannot be held against each other: of other numbers, missing, or not finite.
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
    """(M,) how far each of two scores lies from the other, in the unit of their kind; inf where that has no meaning.

    Args:
        before: (M,) scores, sample after sample; of boxes four numbers each.
        after: likewise.
        lengths: (N,) how many of them each sample has.
        kind: what they are.
    """
    first, second = before.astype(np.float64), after.astype(np.float64)
    most = max(map(_spread, (first, second))) or np.inf
    unit = np.maximum(*(_units(each, lengths, kind, most) for each in (first, second)))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(first == second, 0.0, np.abs(first - second) / unit)
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf)


def _spread(values: NDArray[np.float64]) -> float:
    """What a unit of similarities is at most; 0 if the scores are equal but for rounding, or only one: then nothing
    says how small they are."""
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
