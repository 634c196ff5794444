"""Implements ``PackedTextEncoder`` for CLIP's text towers in the transformers library. Its models offer it."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, TokenPacks
from vlmbench.models.towers.residual_blocks import PackedText, walk
from vlmbench.models.transformers.residual_blocks import text_blocks


def packed_text_encoder(towers: Any, trimmed: PrefixTextEncoder | None) -> PackedTextEncoder | None:
    """Make the ``PackedTextEncoder`` of a causal tower; None if the class of a layer is unknown."""
    blocks = [] if trimmed is None else text_blocks(towers)
    if trimmed is None or not blocks:
        return None
    text = towers.text_model

    def encode_packs(packs: TokenPacks) -> Tensor:
        # embeddings() is not called, because it refuses more tokens than positions, and a pack holds several prompts.
        x = text.embeddings.token_embedding(packs.tokens) + text.embeddings.position_embedding(packs.depths)
        x = text.final_layer_norm(walk(blocks, x, packs))
        return F.normalize(towers.text_projection(x), dim=-1)

    return PackedText(trimmed.tokenize, trimmed.lengths, encode_packs)
