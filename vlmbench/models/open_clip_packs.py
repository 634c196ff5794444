"""open_clip's causal text towers over packed prompts, where each of their blocks is of a kind known here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor, nn

from vlmbench.models.base import TokenPacks
from vlmbench.models.causal_blocks import CausalBlock, walk
from vlmbench.models.open_clip_text import CausalTextEncoder


class PackedTextEncoder:
    """See :class:`~vlmbench.models.base.PackedTextEncoder`.

    Args:
        trimmed: the tower's other way, for tokens and lengths.
        blocks: the tower's transformer.
    """

    def __init__(self, trimmed: CausalTextEncoder, blocks: Sequence[CausalBlock]) -> None:
        self._trimmed = trimmed
        self._blocks = blocks

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return self._trimmed.tokenize(texts)

    def lengths(self, tokens: Tensor) -> Tensor:
        return self._trimmed.lengths(tokens)

    def encode_packs(self, packs: TokenPacks) -> Tensor:
        tower = self._trimmed.tower
        dtype = tower.transformer.get_cast_dtype()
        x = tower.token_embedding(packs.tokens).to(dtype) + tower.positional_embedding[packs.depths].to(dtype)
        return self._trimmed.project(tower.ln_final(walk(self._blocks, x, packs)))


def packed_text_encoder(trimmed: CausalTextEncoder | None) -> PackedTextEncoder | None:
    """A causal tower's packed way, or None where one of its blocks is of another kind."""
    if trimmed is None:
        return None
    blocks = [_block(block) for block in trimmed.tower.transformer.resblocks]
    known = [block for block in blocks if block is not None]
    return PackedTextEncoder(trimmed, known) if known and len(known) == len(blocks) else None


def _block(block: Any) -> CausalBlock | None:
    """open_clip's plain block (``transformer.ResidualAttentionBlock``) by its parts."""
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
        both = F.linear(x, attention.in_proj_weight[width:], attention.in_proj_bias[width:])
        keys, values = both.chunk(2, dim=-1)
        return keys, values

    return CausalBlock(
        heads=attention.num_heads,
        attention_norm=block.ln_1,
        mlp_norm=block.ln_2,
        queries=queries,
        keys_values=keys_values,
        out=lambda x: cast(Tensor, block.ls_1(attention.out_proj(x))),
        mlp=lambda x: cast(Tensor, block.ls_2(block.mlp(x))),
    )
