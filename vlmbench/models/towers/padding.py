"""Finds the lengths of texts that are padded on the right, for text towers that mask padding.

The adapters of open_clip and ConSE use it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def unpadded_lengths(tokens: Tensor, pad_id: int) -> Tensor:
    """Map (N, L) token ids to (N,) int64 lengths: the place of the last token that is not padding, or 0 without one.

    It does not count the other tokens, because a text may contain the padding token.
    """
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return (tokens.ne(pad_id) * places).amax(dim=1)
