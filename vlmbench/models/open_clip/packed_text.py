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
from open_clip.transformer import TextTransformer
from torch import Tensor

from vlmbench.models.base import PackedTextEncoder, TokenPacks
from vlmbench.models.open_clip.residual_blocks import residual_blocks
from vlmbench.models.open_clip.text import CausalTextEncoder, is_causal, project, tokenized
from vlmbench.models.towers.padding import unpadded_lengths
from vlmbench.models.towers.residual_blocks import PackedText, ResidualBlock, walk

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
    blocks: Sequence[ResidualBlock]

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
    blocks = residual_blocks(tower.transformer)
    return PackedClassTokenText(tower, tokenizer, blocks) if blocks else None


def _reading_at_the_end(trimmed: CausalTextEncoder) -> PackedText | None:
    tower = trimmed.tower
    blocks = residual_blocks(tower.transformer)

    def encode_packs(packs: TokenPacks) -> Tensor:
        return project(tower, _features(tower, blocks, packs.tokens, packs.depths, packs))

    return PackedText(trimmed.tokenize, trimmed.lengths, encode_packs) if blocks else None


def _features(
    tower: Any,
    blocks: Sequence[ResidualBlock],
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
