"""Splits open_clip's own ``VisionTransformer`` for the readouts of its patches. ``encoder.py`` chooses it."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.transformer import (
    Attention,
    CustomResidualAttentionBlock,
    ResidualAttentionBlock,
    Transformer,
    VisionTransformer,
)
from torch import Tensor, nn

from vlmbench.models.towers.patch_readouts import Grid, Heads, stretched


def vision_transformer_tower(visual: Any) -> VisionTransformerTower | None:
    """Split the tower; None if it is not a ``VisionTransformer`` whose head maps each token, or a step is unknown."""
    if not embeds_patches(visual):
        return None
    # Norm and projection map a token to the space of the texts only if the tower pools, and not with attention.
    if visual.attn_pool is not None or visual.pool_type not in ("tok", "avg") or visual.proj is None:
        return None
    last = visual.transformer.resblocks[-1]
    if type(last) is ResidualAttentionBlock:
        known = type(last.attn) is nn.MultiheadAttention
    else:
        # open_clip's own forward pass fails on scaled cosine attention (torch.bmm of four dimensions).
        known = type(last) is CustomResidualAttentionBlock and type(last.attn) is Attention
        known = known and last.attn.logit_scale is None
    return VisionTransformerTower(visual) if known else None


def embeds_patches(visual: Any) -> bool:
    """Whether :func:`embedded` can make the tokens of the tower, which its blocks then take for any grid."""
    if type(visual) is not VisionTransformer:
        return False
    transformer = visual.transformer
    return (
        type(transformer) is Transformer
        and transformer.batch_first
        and len(transformer.resblocks) > 0
        and visual.patch_size[0] == visual.patch_size[1]  # a DenseEncoder's patches are square
    )


def embedded(visual: Any, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
    """Map (B, 3, H, W) to the input of the first block, (B, 1 + h*w, width), the class token first."""
    x = visual.conv1(pixels).flatten(2).transpose(1, 2)
    positions = stretched(visual.positional_embedding, visual.grid_size, grid, overshoot).to(x.dtype)
    first = (visual.class_embedding.to(x.dtype) + positions[0]).expand(len(x), 1, -1)
    return cast(Tensor, visual.ln_pre(torch.cat([first, x + positions[1:]], dim=1)))


class VisionTransformerTower:
    """open_clip's ``VisionTransformer`` as a ``Tower``.

    Head scales, inner norms and LayerScale act between the mixed values and the residual stream. They belong to the
    attention branch, and reduced readouts keep them; the papers' own towers do not have them. Queries and keys are
    taken after their norm. If a tower normalises after pooling, each patch is treated as the pooled token.

    Args:
        visual: a tower that :func:`vision_transformer_tower` understands, in evaluation mode.
    """

    def __init__(self, visual: Any) -> None:
        self.patch_size = int(visual.patch_size[0])
        self._visual = visual
        self._last = visual.transformer.resblocks[-1]

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        x = embedded(self._visual, pixels, grid, overshoot)
        for block in self._visual.transformer.resblocks[:-1]:
            x = block(x)
        return x

    def heads(self, tokens: Tensor, grid: Grid) -> Heads:
        attention = self._last.attn
        projected = F.linear(self._last.ln_1(tokens), attention.in_proj_weight, attention.in_proj_bias)
        shape = (*tokens.shape[:2], attention.num_heads, -1)
        queries, keys, values = (part.reshape(shape).transpose(1, 2) for part in projected.chunk(3, dim=-1))
        if type(attention) is Attention:
            queries, keys = attention.ln_q(queries), attention.ln_k(keys)
        return Heads(queries, keys, values, grid)

    def attention_branch(self, mixed: Tensor) -> Tensor:
        block, attention = self._last, self._last.attn
        if type(attention) is not Attention:
            return cast(Tensor, block.ls_1(attention.out_proj(mixed.transpose(1, 2).flatten(2))))
        if attention.head_scale is not None:
            mixed = mixed * attention.head_scale
        joined = attention.out_proj(attention.ln_inner(mixed.transpose(1, 2).flatten(2)))
        return cast(Tensor, block.ls_1(block.ln_attn(joined)))

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self._last.ls_2(self._last.mlp(self._last.ln_2(tokens))))

    def project(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self._visual.ln_post(tokens) @ self._visual.proj)
