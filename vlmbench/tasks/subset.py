"""Which samples of a dataset are scored: all, a random subset, or one that has every class in its proportion."""

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
    """The samples that are scored, in the dataset's order: the same for every model, by the seed alone."""
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
    """How the subset is drawn; None where everything is scored.

    By class only where every sample has just one: captions, boxes, masks and several labels have no strata.
    """
    if not _is_subset(samples, options):
        return None
    single = options.stratified and all(isinstance(sample.target, int) for sample in samples)
    return "by class" if single else "at random"


def proportional_shares(counts: NDArray[np.int64], size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """How many of each class: its proportion rounded by largest remainders, and one at least where there is room.

    Args:
        counts: (C,) samples of each class, none of them 0.
        size: how many in all, at most the sum of ``counts``.
        random: decides between equal remainders, so that the first classes have no advantage.

    Returns:
        (C,), of sum ``size``, none above its count.
    """
    quotas = size * counts / counts.sum()
    shares: NDArray[np.int64] = np.floor(quotas).astype(np.int64)
    if size >= len(counts):
        shares = np.maximum(shares, 1)
    tie_breaks = random.permutation(len(counts))
    while (excess := int(shares.sum()) - size) != 0:
        # Below: the largest remainders are due first. Above, where small classes were lifted: those least below quota.
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
