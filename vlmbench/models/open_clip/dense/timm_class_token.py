"""Splits timm's vision transformers with a class token for the readouts of their patches: EVA, MobileCLIP-B, DeiT, ….

``encoder.py`` chooses it. Rotary embeddings turn queries and keys of patches, and never those of the class token.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import EvaAttention, EvaBlock, EvaBlockPostNorm
from torch import Tensor

from vlmbench.models.open_clip.dense.timm_tokens import TimmTokens, head_maps_tokens, headed, timm_tokens
from vlmbench.models.towers.patch_readouts import Grid, Heads


def class_token_tower(visual: Any) -> ClassTokenTower | None:
    """Split a ``TimmModel``; None if its feature is not that of a single class token, or a step is unknown."""
    tokens = timm_tokens(visual.trunk)
    if tokens is None or not head_maps_tokens(visual):
        return None
    trunk, attention = visual.trunk, visual.trunk.blocks[-1].attn
    known = (
        trunk.global_pool == "token"
        and trunk.attn_pool is None
        and tokens.prefix == 1
        # A gate depends on the block's input, which is not part of the mixed values. Shared keys need fewer heads.
        and getattr(attention, "gate", None) is None
        and getattr(attention, "num_kv_groups", 1) == 1
    )
    return ClassTokenTower(visual, tokens) if known else None


class ClassTokenTower:
    """A timm vision transformer with a class token as a ``Tower``.

    Inner norms, LayerScale and the norm after the attention (of EVA-02-CLIP-E) act between the mixed values and the
    residual stream. They belong to the attention branch, and reduced readouts keep them. Queries and keys are taken
    after their norm and rotation.

    Args:
        visual: a tower that :func:`class_token_tower` understands, in evaluation mode.
    """

    def __init__(self, visual: Any, tokens: TimmTokens) -> None:
        self.patch_size = tokens.patch_size
        self._tokens = tokens
        self._visual = visual
        self._last = visual.trunk.blocks[-1]

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        x = self._tokens.embedded(pixels, grid, overshoot)
        return self._tokens.through(self._visual.trunk.blocks[:-1], x, grid)

    def heads(self, tokens: Tensor, grid: Grid) -> Heads:
        attention = self._last.attn
        x = tokens if type(self._last) is EvaBlockPostNorm else self._last.norm1(tokens)
        shape = (*tokens.shape[:2], attention.num_heads, -1)
        queries, keys, values = (part.reshape(shape).transpose(1, 2) for part in _projected(attention, x))
        queries, keys = attention.q_norm(queries), attention.k_norm(keys)
        if (rope := self._tokens.rope(grid)) is not None:
            half = getattr(attention, "rotate_half", False)
            queries, keys = (_rotated(each, rope, half).type_as(values) for each in (queries, keys))
        return Heads(queries, keys, values, grid)

    def attention_branch(self, mixed: Tensor) -> Tensor:
        block, attention = self._last, self._last.attn
        joined = attention.proj(attention.norm(mixed.transpose(1, 2).flatten(2)))
        if type(block) is EvaBlockPostNorm:
            return cast(Tensor, block.norm1(joined))
        if type(block) is EvaBlock:
            return cast(Tensor, joined if block.gamma_1 is None else block.gamma_1 * joined)
        return cast(Tensor, block.ls1(joined))

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        block = self._last
        if type(block) is EvaBlockPostNorm:
            return cast(Tensor, block.norm2(block.mlp(tokens)))
        x = block.mlp(block.norm2(tokens))
        if type(block) is EvaBlock:
            return cast(Tensor, x if block.gamma_2 is None else block.gamma_2 * x)
        return cast(Tensor, block.ls2(x))

    def project(self, tokens: Tensor) -> Tensor:
        return headed(self._visual, self._visual.trunk.norm(tokens))


def _projected(attention: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values of all heads, (B, L, heads * d) each."""
    if getattr(attention, "qkv", None) is None:
        return attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)
    if type(attention) is EvaAttention and attention.q_bias is not None:  # its keys have no bias
        bias = torch.cat([getattr(attention, name) for name in ("q_bias", "k_bias", "v_bias")])
        return F.linear(x, attention.qkv.weight, bias).chunk(3, dim=-1)
    return cast(tuple[Tensor, ...], attention.qkv(x).chunk(3, dim=-1))


def _rotated(heads: Tensor, rope: Tensor, half: bool) -> Tensor:
    layout = {"half": True} if half else {}  # older versions of timm know the other layout only
    return torch.cat([heads[:, :, :1], apply_rot_embed_cat(heads[:, :, 1:], rope, **layout)], dim=2)
