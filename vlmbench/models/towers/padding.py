"""Texts that are padded on the right, in towers that mask their padding."""

from __future__ import annotations

import torch
from torch import Tensor


def unpadded_lengths(tokens: Tensor, pad_id: int) -> Tensor:
    """(N, L) token ids to (N,) int64: up to the last token that is no padding; 0 where all are.

    Not how many tokens are none: a text may spell the padding token out.
    """
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return (tokens.ne(pad_id) * places).amax(dim=1)
