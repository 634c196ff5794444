"""Computes the rank of each query's best true match among all candidates.

The plugin of retrieval and its reader of given answers use it.

The work is done in blocks, so that the matrix of queries × candidates is never in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

TOP = 5
BLOCK_SCORES = 2**22
"""The number of scores in memory at once: 16 MiB, and about as much for their comparisons. Larger blocks are not
faster."""


@dataclass(frozen=True)
class Ranked:
    """The answers to Q queries over C candidates. K is min(5, C).

    Attributes:
        ranks: (Q,) the rank of the best true match, from 1. Equal scores count against the model.
        top: (Q, K) the candidates with the highest scores, highest first; -1 in place of candidates without a score.
    """

    ranks: npt.NDArray[np.int64]
    top: npt.NDArray[np.int32]


ScoreRows = Callable[[slice], Tensor]
"""Gives the scores of some queries, (B, C), on any device. A candidate without a score has -inf."""
KeepRows = Callable[[Tensor], None]
"""Is given the scores of all queries, (B, C) at a time, in their order."""
KeepBoth = tuple[KeepRows | None, KeepRows | None]
"""Are given the scores of captions for images, and those of images for captions."""


@torch.inference_mode()
def rank(
    queries: Tensor,
    candidates: Tensor,
    first: Tensor,
    last: Tensor,
    *,
    columns: Tensor | None = None,
    keep: KeepRows | None = None,
) -> Ranked:
    """Rank all candidates for each query by cosine similarity, with :func:`rank_scores`.

    Args:
        queries: (Q, D), unit length.
        candidates: (R, D), unit length. R is C, or less if ``columns`` uses some rows more than once.
        first: (Q,) the place of each query's first true candidate among the C. Its true candidates are consecutive.
        last: (Q,) the place after each query's last true candidate.
        columns: (C,) the row of each candidate; None: R is C, and candidates have the order of the rows. Equal
            candidates can share a row. Then they are scored once, and their scores are exactly equal.
        keep: is given all scores.
    """
    count = len(candidates) if columns is None else len(columns)
    if columns is not None and len(candidates) == count:  # all candidates differ, so no row is used twice
        order = torch.arange(count, device=columns.device)
        candidates, columns = candidates if bool((columns == order).all()) else candidates[columns], None

    def scores(block: slice) -> Tensor:
        found = queries[block] @ candidates.T
        return found if columns is None else found.index_select(1, columns)

    return rank_scores(scores, first, last, count, keep=keep)


@torch.inference_mode()
def rank_scores(
    scores_of: ScoreRows, first: Tensor, last: Tensor, count: int, *, keep: KeepRows | None = None
) -> Ranked:
    """Rank C candidates for each query by given scores, in blocks.

    A query's rank is 1 plus the number of false candidates whose score is as high as that of its best true candidate,
    or higher. So a model that gives all candidates the same score gets the worst rank, whatever their order is.

    Args:
        first: (Q,) the place of each query's first true candidate among the C. Its true candidates are consecutive.
        last: (Q,) the place after each query's last true candidate.
        count: C.
        keep: is given all scores.
    """
    most = torch.arange(int((last - first).max()), device=first.device)
    rows = max(1, BLOCK_SCORES // count)
    # Allocated before the loop: small results between the large blocks would prevent reuse of the blocks' memory.
    ranks = np.empty(len(first), dtype=np.int64)
    top = np.empty((len(first), min(TOP, count)), dtype=np.int32)
    for start in range(0, len(first), rows):
        block = slice(start, min(start + rows, len(first)))
        scores = scores_of(block)
        own = first[block, None] + most
        true = scores.gather(1, own.clamp(max=count - 1)).masked_fill(own >= last[block, None], -torch.inf)
        best = true.amax(dim=1, keepdim=True)
        as_high = np.count_nonzero((scores >= best).cpu().numpy(), axis=1)  # several times faster than torch's sum
        is_own = own < last[block, None]  # a true candidate without a score is -inf, as are the places after the last
        ranks[block] = 1 + as_high - ((true >= best) & is_own).sum(dim=1).cpu().numpy()
        values, places = scores.topk(top.shape[1], dim=1)
        top[block] = places.masked_fill(values == -torch.inf, -1).cpu().numpy()
        if keep is not None:
            keep(scores)
    return Ranked(ranks, top)
