"""Implements ``TunableTowers`` for CLIP's text towers in the transformers library. Its models offer it."""

from __future__ import annotations

from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import PrefixTextEncoder
from vlmbench.models.towers.tunable_text import tunable_text
from vlmbench.models.transformers.packed_text import causal_blocks
from vlmbench.models.tunable import TunableTowers


def tunable_towers(towers: Any, trimmed: PrefixTextEncoder | None) -> TunableTowers | None:
    """Make the ``TunableTowers`` of a model; None if the class of a part of its text tower is unknown."""
    blocks = [] if trimmed is None else causal_blocks(towers)
    if trimmed is None or not blocks:
        return None
    text = towers.text_model
    return tunable_text(
        trimmed.tokenize,
        trimmed.lengths,
        text.embeddings.token_embedding,
        lambda: cast(Tensor, text.embeddings.position_embedding.weight),
        blocks,
        lambda x: F.normalize(towers.text_projection(text.final_layer_norm(x)), dim=-1),
        towers,
    )
