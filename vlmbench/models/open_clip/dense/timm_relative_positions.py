"""Splits timm's vision transformers with relative positions and a class token for the readouts of their patches.

``encoder.py`` chooses it. Such a tower adds a bias to the product of each query and key, which a small network computes
from the distance of their places in patches. For another grid timm computes it anew, and so does this module.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from timm.layers.pos_embed_rel import RelPosMlp
from timm.models.vision_transformer_relpos import RelPosAttention, RelPosBlock, VisionTransformerRelPos
from torch import Tensor

from vlmbench.models.open_clip.dense.timm_tokens import head_maps_tokens, headed, patch_tokens, square_patch
from vlmbench.models.towers.patch_readouts import Grid, Heads, plain_mix


def relative_position_tower(visual: Any) -> RelativePositionTower | None:
    """Split a ``TimmModel``; None if its feature is not that of a class token, or a step is unknown."""
    trunk = visual.trunk
    if type(trunk) is not VisionTransformerRelPos or not head_maps_tokens(visual) or not len(trunk.blocks):
        return None
    known = (
        trunk.global_pool == "token"
        and trunk.num_prefix_tokens == 1
        and square_patch(trunk.patch_embed) is not None
        and all(type(block) is RelPosBlock and type(block.attn) is RelPosAttention for block in trunk.blocks)
        and all(type(_positions(trunk, block)) is RelPosMlp for block in trunk.blocks)
    )
    return RelativePositionTower(visual) if known else None


def _positions(trunk: Any, block: Any) -> Any:
    """The network that computes the bias of a block: its own, or the one that all blocks share."""
    return block.attn.rel_pos if block.attn.rel_pos is not None else trunk.shared_rel_pos


class RelativePositionTower:
    """A timm vision transformer with relative positions as a ``Tower``. It has no positional embeddings to stretch.

    LayerScale belongs to the attention branch, and reduced readouts keep it. The bias is a part of every attention,
    also of readouts whose papers have towers without one.

    Args:
        visual: a tower that :func:`relative_position_tower` understands, in evaluation mode.
    """

    def __init__(self, visual: Any) -> None:
        self.patch_size = cast(int, square_patch(visual.trunk.patch_embed))
        self._visual = visual
        self._blocks = list(visual.trunk.blocks)

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        trunk = self._visual.trunk
        x = patch_tokens(trunk.patch_embed, pixels)
        x = torch.cat([trunk.cls_token.expand(len(x), -1, -1), x], dim=1)
        for block in self._blocks[:-1]:
            x = x + _attention_branch(block, plain_mix(self._heads(block, x, grid)))
            x = x + _mlp_branch(block, x)
        return x

    def heads(self, tokens: Tensor, grid: Grid) -> Heads:
        return self._heads(self._blocks[-1], tokens, grid)

    def attention_branch(self, mixed: Tensor) -> Tensor:
        return _attention_branch(self._blocks[-1], mixed)

    def mlp_branch(self, tokens: Tensor) -> Tensor:
        return _mlp_branch(self._blocks[-1], tokens)

    def project(self, tokens: Tensor) -> Tensor:
        return headed(self._visual, self._visual.trunk.norm(tokens))

    def _heads(self, block: Any, tokens: Tensor, grid: Grid) -> Heads:
        attention = block.attn
        shape = (*tokens.shape[:2], attention.num_heads, -1)
        parts = attention.qkv(block.norm1(tokens)).chunk(3, dim=-1)
        queries, keys, values = (part.reshape(shape).transpose(1, 2) for part in parts)
        bias = _bias(_positions(self._visual.trunk, block), grid).to(values.dtype)
        return Heads(attention.q_norm(queries), attention.k_norm(keys), values, grid, bias)


def _bias(positions: Any, grid: Grid) -> Tensor:
    if tuple(positions.window_size) != grid:
        positions = copy.deepcopy(positions)  # its few weights too
        positions.set_window_size(grid)
    return cast(Tensor, positions.get_bias())


def _attention_branch(block: Any, mixed: Tensor) -> Tensor:
    return cast(Tensor, block.ls1(block.attn.proj(mixed.transpose(1, 2).flatten(2))))


def _mlp_branch(block: Any, tokens: Tensor) -> Tensor:
    return cast(Tensor, block.ls2(block.mlp(block.norm2(tokens))))
