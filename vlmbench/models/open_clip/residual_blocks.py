"""Splits the transformers of open_clip's towers into blocks of plain parts. Packed texts and tunable towers use it."""

from __future__ import annotations

from typing import Any, cast

import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, Transformer
from torch import Tensor, nn

from vlmbench.models.towers.residual_blocks import ResidualBlock


def residual_blocks(transformer: Any) -> list[ResidualBlock]:
    """The blocks of a transformer; an empty list if the class of one of them is unknown."""
    if type(transformer) is not Transformer:
        return []
    blocks = [_block(block) for block in transformer.resblocks]
    known = [block for block in blocks if block is not None]
    return known if len(known) == len(blocks) else []


def _block(block: Any) -> ResidualBlock | None:
    """Split open_clip's plain block (``transformer.ResidualAttentionBlock``) into its parts; None for other blocks."""
    if type(block) is not ResidualAttentionBlock or type(block.attn) is not nn.MultiheadAttention:
        return None
    attention = cast(Any, block.attn)
    fused = attention.in_proj_weight is not None and attention.in_proj_bias is not None
    plain = attention.bias_k is None and attention.bias_v is None and not attention.add_zero_attn
    if not (fused and plain) or hasattr(block, "ln_1_kv"):
        return None
    width = attention.embed_dim

    def queries(x: Tensor) -> Tensor:
        return F.linear(x, attention.in_proj_weight[:width], attention.in_proj_bias[:width])

    def keys_values(x: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = F.linear(x, attention.in_proj_weight[width:], attention.in_proj_bias[width:]).chunk(2, dim=-1)
        return keys, values

    return ResidualBlock(
        heads=attention.num_heads,
        attention_norm=block.ln_1,
        mlp_norm=block.ln_2,
        queries=queries,
        keys_values=keys_values,
        out=lambda x: cast(Tensor, block.ls_1(attention.out_proj(x))),
        mlp=lambda x: cast(Tensor, block.ls_2(block.mlp(x))),
    )
