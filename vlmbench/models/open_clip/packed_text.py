"""Implements ``PackedTextEncoder`` for causal text towers of open_clip whose blocks have a class that is known here.

The adapter uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.coca_model import CoCa
from open_clip.model import CustomTextCLIP
from open_clip.transformer import ResidualAttentionBlock, TextTransformer, Transformer
from torch import Tensor, nn

from vlmbench.models.base import PackedTextEncoder, TokenPacks
from vlmbench.models.open_clip.text import CausalTextEncoder, is_causal, project, tokenized
from vlmbench.models.towers.causal_blocks import CausalBlock, PackedText, walk
from vlmbench.models.towers.padding import unpadded_lengths

CLASS_TOKEN = -1
"""The value that marks the class token in a row of ids. That token has its own embedding and no id."""


@dataclass(frozen=True)
class PackedClassTokenText:
    """The ``PackedTextEncoder`` of CoCa's text tower, which pools at a class token after the full length.

    That token has the last position for texts of every length. The published weights were trained with a mask that is
    shifted by one: a token is hidden if the token *before* it is padding. So the class token sees the first padding
    token, but not itself. A row is therefore the text, one padding token if there is room, and the class token.
    Source: open_clip transformer.py, ``TextTransformer._build_additive_mask``.
    """

    tower: Any
    tokenizer: Any
    blocks: Sequence[CausalBlock]

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        tokens = tokenized(self.tokenizer, texts)
        ends = unpadded_lengths(tokens, self.tower.pad_id)
        row = F.pad(tokens, (0, 2), value=self.tower.pad_id)
        return row.scatter(1, (ends + (ends < tokens.shape[1])).unsqueeze(1), CLASS_TOKEN)

    def lengths(self, tokens: Tensor) -> Tensor:
        return tokens.eq(CLASS_TOKEN).int().argmax(dim=1) + 1

    def encode_packs(self, packs: TokenPacks) -> Tensor:
        tower, is_class = self.tower, packs.tokens.eq(CLASS_TOKEN)
        parents = packs.sees & packs.depths.unsqueeze(1).eq(packs.depths.unsqueeze(2) - 1)
        hidden = (parents & packs.tokens.eq(tower.pad_id).unsqueeze(1)).any(dim=2)
        seen = TokenPacks(packs.tokens, packs.depths, packs.sees & ~hidden.unsqueeze(1), packs.ends, packs.ended)
        positions = packs.depths.masked_fill(is_class, len(tower.positional_embedding) - 1)
        tokens = packs.tokens.masked_fill(is_class, tower.pad_id)
        return project(tower, _features(tower, self.blocks, tokens, positions, seen, is_class))


def packed_text_encoder(model: Any, tokenizer: Any, trimmed: CausalTextEncoder | None) -> PackedTextEncoder | None:
    """Make the ``PackedTextEncoder`` of a model's text tower; None if equal features are not certain.

    Args:
        tokenizer: maps texts to (N, context length) ids.
        trimmed: the tower as a causal text encoder, if it pools at the end of the text.
    """
    if trimmed is not None:
        return _reading_at_the_end(trimmed)
    if type(model) not in (CoCa, CustomTextCLIP) or type(model.text) is not TextTransformer:
        return None
    tower = cast(Any, model.text)
    if tower.cls_emb is None or tower.correct_cls_mask or not is_causal(tower):
        return None
    blocks = causal_blocks(tower)
    return PackedClassTokenText(tower, tokenizer, blocks) if blocks else None


def _reading_at_the_end(trimmed: CausalTextEncoder) -> PackedText | None:
    tower = trimmed.tower
    blocks = causal_blocks(tower)

    def encode_packs(packs: TokenPacks) -> Tensor:
        return project(tower, _features(tower, blocks, packs.tokens, packs.depths, packs))

    return PackedText(trimmed.tokenize, trimmed.lengths, encode_packs) if blocks else None


def _features(
    tower: Any,
    blocks: Sequence[CausalBlock],
    tokens: Tensor,
    positions: Tensor,
    packs: TokenPacks,
    is_class: Tensor | None = None,
) -> Tensor:
    """Compute the normalised states of the prompts' last tokens, (M, W)."""
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(tokens).to(dtype)
    if is_class is not None:
        x = torch.where(is_class.unsqueeze(-1), tower.cls_emb.to(dtype), x)
    x = x + tower.positional_embedding[positions].to(dtype)
    return cast(Tensor, tower.ln_final(walk(blocks, x, packs)))


def causal_blocks(tower: Any) -> list[CausalBlock]:
    """The blocks of a tower; an empty list if the class of one of them is unknown."""
    if type(tower.transformer) is not Transformer:
        return []
    blocks = [_block(block) for block in tower.transformer.resblocks]
    known = [block for block in blocks if block is not None]
    return known if len(known) == len(blocks) else []


def _block(block: Any) -> CausalBlock | None:
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

    return CausalBlock(
        heads=attention.num_heads,
        attention_norm=block.ln_1,
        mlp_norm=block.ln_2,
        queries=queries,
        keys_values=keys_values,
        out=lambda x: cast(Tensor, block.ls_1(attention.out_proj(x))),
        mlp=lambda x: cast(Tensor, block.ls_2(block.mlp(x))),
    )
