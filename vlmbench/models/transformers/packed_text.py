"""The CLIP text towers of the transformers library over packed prompts."""

from __future__ import annotations

from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, TokenPacks
from vlmbench.models.towers.causal_blocks import CausalBlock, PackedText, walk

MODULES = ("transformers.models.clip.modeling_clip", "transformers.models.metaclip_2.modeling_metaclip_2")
"""Where the forward pass is the one of :func:`_block`; the second is a copy of the first."""


def packed_text_encoder(towers: Any, trimmed: PrefixTextEncoder | None) -> PackedTextEncoder | None:
    """A causal tower's packed way, or None where its layers are of a class that is not known here."""
    if trimmed is None:
        return None
    text = towers.text_model
    layers = list(text.encoder.layers)
    parts = [text.embeddings, *layers, *(layer.self_attn for layer in layers)]
    if any(not _is_the_librarys(part) for part in parts) or type(towers.text_projection) is not nn.Linear:
        return None
    blocks = [_block(layer) for layer in layers]

    def encode_packs(packs: TokenPacks) -> Tensor:
        # Not embeddings(): it refuses more tokens than positions, and a pack holds more than one prompt.
        x = text.embeddings.token_embedding(packs.tokens) + text.embeddings.position_embedding(packs.depths)
        x = text.final_layer_norm(walk(blocks, x, packs))
        return F.normalize(towers.text_projection(x), dim=-1)

    return PackedText(trimmed.tokenize, trimmed.lengths, encode_packs)


def _is_the_librarys(part: Any) -> bool:
    """A class of the library itself: a hub repository's own code may give its classes the same names."""
    return type(part).__module__ in MODULES


def _block(layer: Any) -> CausalBlock:
    attention = layer.self_attn
    return CausalBlock(
        heads=int(attention.num_heads),
        attention_norm=layer.layer_norm1,
        mlp_norm=layer.layer_norm2,
        queries=attention.q_proj,
        keys_values=lambda x: (cast(Tensor, attention.k_proj(x)), cast(Tensor, attention.v_proj(x))),
        out=attention.out_proj,
        mlp=layer.mlp,
    )
