"""Where each query's true matches stand among all candidates, block by block: no matrix of queries × candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

TOP = 5
BLOCK_SCORES = 2**22
"""Scores in memory at once: 16 MiB of them, and about that much in comparisons. Larger blocks are no faster."""


@dataclass(frozen=True)
class Ranked:
    """Every query's answer, Q queries over C candidates, K = min(5, C).

    Attributes:
        ranks: (Q,) place of the best true match, from 1; equal scores count against the model.
        top: (Q, K) best candidates, best first.
    """

    ranks: npt.NDArray[np.int64]
    top: npt.NDArray[np.int32]


@torch.inference_mode()
def rank(queries: Tensor, candidates: Tensor, first: Tensor, last: Tensor, *, columns: Tensor | None = None) -> Ranked:
    """Rank all candidates for each query by cosine similarity.

    A query's rank is 1 plus the number of false candidates that score as high as its best true one, or higher. So a
    model that gives everything the same score finds nothing, however the candidates are ordered.

    Args:
        queries: (Q, D), unit length.
        candidates: (R, D), unit length; R is C, or fewer where ``columns`` says which rows are used how often.
        first: (Q,) each query's first true candidate among the C.
        last: (Q,) the one after its last true candidate, which follow each other.
        columns: (C,) the row of each candidate: equal candidates are scored once, and so exactly alike.
    """
    count = len(candidates) if columns is None else len(columns)
    if columns is not None and len(candidates) == count:  # all differ: nothing to spread out
        order = torch.arange(count, device=columns.device)
        candidates, columns = candidates if bool((columns == order).all()) else candidates[columns], None
    most = torch.arange(int((last - first).max()), device=queries.device)
    rows = max(1, BLOCK_SCORES // count)
    # Made beforehand: small results between the large blocks would keep the memory of each from being used again.
    ranks = np.empty(len(queries), dtype=np.int64)
    top = np.empty((len(queries), min(TOP, count)), dtype=np.int32)
    for start in range(0, len(queries), rows):
        block = slice(start, start + rows)
        scores = queries[block] @ candidates.T
        if columns is not None:
            scores = scores.index_select(1, columns)
        own = first[block, None] + most
        true = scores.gather(1, own.clamp(max=count - 1)).masked_fill(own >= last[block, None], -torch.inf)
        best = true.amax(dim=1, keepdim=True)
        as_high = np.count_nonzero((scores >= best).cpu().numpy(), axis=1)  # several times faster than torch's sum
        ranks[block] = 1 + as_high - (true >= best).sum(dim=1).cpu().numpy()
        top[block] = scores.topk(top.shape[1], dim=1).indices.cpu().numpy()
    return Ranked(ranks, top)
