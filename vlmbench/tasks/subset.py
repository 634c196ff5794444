"""Chooses the samples that are scored: all, a random subset, or a subset with every class in its proportion.

Plugins call :func:`choose`. The command line and records state how the subset was drawn, by :func:`drawn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vlmbench.data.base import Sample

if TYPE_CHECKING:
    from vlmbench.tasks.base import TaskOptions

Drawn = Literal["at random", "by class"]


def choose(samples: Sequence[Sample], options: TaskOptions) -> list[int]:
    """The indices of the samples to score, in the dataset's order. One seed gives the same samples to every model."""
    if not _is_subset(samples, options):
        return list(range(len(samples)))
    assert options.limit is not None
    random = np.random.default_rng(options.seed)
    if drawn(samples, options) == "at random":
        chosen = random.choice(len(samples), size=options.limit, replace=False)
        return sorted(chosen.tolist())
    _, classes, counts = np.unique(_labels(samples), return_inverse=True, return_counts=True)
    shares = proportional_shares(counts, options.limit, random)
    members = np.split(np.argsort(classes, kind="stable"), np.cumsum(counts)[:-1])
    return sorted(
        index
        for own, share in zip(members, shares.tolist(), strict=True)
        for index in random.choice(own, size=share, replace=False).tolist()
    )


def drawn(samples: Sequence[Sample], options: TaskOptions) -> Drawn | None:
    """How the subset is drawn; None if all samples are scored.

    It is drawn by class only if every sample has exactly one class. Samples with captions, boxes, masks or several
    labels are drawn at random.
    """
    if not _is_subset(samples, options):
        return None
    single = options.stratified and all(isinstance(sample.target, int) for sample in samples)
    return "by class" if single else "at random"


def proportional_shares(counts: NDArray[np.int64], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The number of samples to draw from each class: its proportion, rounded by the largest remainders.

    If ``size`` is at least C, every class gets at least one sample.

    Args:
        counts: (C,) the number of samples of each class, all above 0.
        size: the number of samples to draw from all classes, at most the sum of ``counts``.
        random: decides between equal remainders, so that the first classes have no advantage.

    Returns:
        (C,) numbers whose sum is ``size``. None of them is above the class's count.
    """
    quotas = size * counts / counts.sum()
    shares: NDArray[np.int64] = np.floor(quotas).astype(np.int64)
    if size >= len(counts):
        shares = np.maximum(shares, 1)
    tie_breaks = random.permutation(len(counts))
    while (excess := int(shares.sum()) - size) != 0:
        # If the sum is too low, the classes with the largest remainders get one more. If it is too high, because small
        # classes were raised to 1, the classes that are furthest above their quota, or least below it, lose one.
        step = -1 if excess > 0 else 1
        movable = shares > 1 if excess > 0 else shares < counts
        due = np.where(movable, step * (quotas - shares), -np.inf)
        order = np.lexsort((tie_breaks, -due))[: min(abs(excess), int(movable.sum()))]
        shares[order] += step
    return shares


def _is_subset(samples: Sequence[Sample], options: TaskOptions) -> bool:
    return options.limit is not None and options.limit < len(samples)


def _labels(samples: Sequence[Sample]) -> NDArray[np.int64]:
    return np.array([sample.target for sample in samples], dtype=np.int64)
