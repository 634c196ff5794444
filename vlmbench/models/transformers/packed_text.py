"""Implements ``PackedTextEncoder`` for CLIP's text towers in the transformers library. Its models offer it."""

from __future__ import annotations

from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, TokenPacks
from vlmbench.models.towers.causal_blocks import CausalBlock, PackedText, walk

MODULES = ("transformers.models.clip.modeling_clip", "transformers.models.metaclip_2.modeling_metaclip_2")
"""The modules whose blocks compute what :func:`_block` does. The second is a copy of the first."""


def packed_text_encoder(towers: Any, trimmed: PrefixTextEncoder | None) -> PackedTextEncoder | None:
    """Make the ``PackedTextEncoder`` of a causal tower; None if the class of a layer is unknown."""
    blocks = [] if trimmed is None else causal_blocks(towers)
    if trimmed is None or not blocks:
        return None
    text = towers.text_model

    def encode_packs(packs: TokenPacks) -> Tensor:
        # embeddings() is not called, because it refuses more tokens than positions, and a pack holds several prompts.
        x = text.embeddings.token_embedding(packs.tokens) + text.embeddings.position_embedding(packs.depths)
        x = text.final_layer_norm(walk(blocks, x, packs))
        return F.normalize(towers.text_projection(x), dim=-1)

    return PackedText(trimmed.tokenize, trimmed.lengths, encode_packs)


def causal_blocks(towers: Any) -> list[CausalBlock]:
    """The blocks of a text tower; an empty list if the class of one of its parts is unknown."""
    text = towers.text_model
    layers = list(text.encoder.layers)
    parts = [text.embeddings, *layers, *(layer.self_attn for layer in layers)]
    if any(not _is_the_librarys(part) for part in parts) or type(towers.text_projection) is not nn.Linear:
        return []
    return [_block(layer) for layer in layers]


def _is_the_librarys(part: Any) -> bool:
    """Whether the class is the library's own. A hub repository's code may use the same class names."""
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
