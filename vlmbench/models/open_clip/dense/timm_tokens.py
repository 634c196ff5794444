"""Makes the tokens of timm's vision transformers for any grid of patches. The towers of this folder use it.

timm's own forward pass takes the image size that a network was built for. Here positional embeddings are interpolated
as for CLIP's towers (``stretched``), and rotary embeddings are computed for the new grid as timm does for a network
of that size: relative to the grid of the training (``ref_feat_shape``), if the network has one.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from timm.layers.attention import Attention, AttentionRope
from timm.layers.hybrid_embed import HybridEmbed
from timm.layers.patch_embed import PatchEmbed
from timm.layers.pos_embed_sincos import RotaryEmbeddingCat
from timm.models.eva import Eva, EvaAttention, EvaBlock, EvaBlockPostNorm
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from vlmbench.models.towers.patch_readouts import Grid, stretched_patches

HEAD_PARTS = {"drop", "proj", "mlp"}
"""The parts of open_clip's head after a timm tower that map each token by itself; pools have other names."""


def timm_tokens(trunk: Any) -> TimmTokens | None:
    """Split the tower into tokens and blocks; None if it is another kind of tower, or a step is unknown."""
    if type(trunk) not in (VisionTransformer, Eva) or not len(trunk.blocks):
        return None
    rope = getattr(trunk, "rope", None)
    known = (
        square_patch(trunk.patch_embed) is not None
        and all(_known_block(block) for block in trunk.blocks)
        and (rope is None or type(rope) is RotaryEmbeddingCat)
    )
    return TimmTokens(trunk) if known else None


def square_patch(embed: Any) -> int | None:
    """The side of a patch in pixels; None if patches are not square, or are made in an unknown way."""
    if type(embed) not in (PatchEmbed, HybridEmbed) or embed.grid_size is None:
        return None
    down, across = embed.feat_ratio(as_scalar=False)
    return int(down) if down == across else None


def _known_block(block: Any) -> bool:
    if type(block) is Block:
        return type(block.attn) is Attention
    return type(block) in (EvaBlock, EvaBlockPostNorm) and type(block.attn) in (EvaAttention, AttentionRope)


def patch_tokens(embed: Any, pixels: Tensor) -> Tensor:
    """Map (B, 3, H, W) to the patches' tokens before positions, (B, h*w, width), for images of any size."""
    x = embed.backbone(pixels) if type(embed) is HybridEmbed else pixels
    x = embed.proj(x).flatten(2).transpose(1, 2)
    return cast(Tensor, x if type(embed) is HybridEmbed else embed.norm(x))


class TimmTokens:
    """A timm vision transformer up to its last block.

    Args:
        trunk: a tower that :func:`timm_tokens` understands, in evaluation mode.

    Attributes:
        prefix: the number of tokens before those of the patches: the class token and registers.
    """

    def __init__(self, trunk: Any) -> None:
        self.patch_size = cast(int, square_patch(trunk.patch_embed))
        self.prefix = int(trunk.num_prefix_tokens)
        self._trunk = trunk

    def embedded(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        """Map (B, 3, H, W) to the input of the first block, (B, prefix + h*w, width)."""
        trunk = self._trunk
        x = patch_tokens(trunk.patch_embed, pixels)
        # Under autocast, patches are in half precision. As in timm, the sums are in the precision of the positions.
        given = [getattr(trunk, name, None) for name in ("cls_token", "reg_token")]
        first = [token for token in given if token is not None]
        if trunk.pos_embed is not None:
            known = 0 if trunk.no_embed_class else self.prefix
            positions = trunk.pos_embed[0]
            x = x + stretched_patches(positions[known:], tuple(trunk.patch_embed.grid_size), grid, overshoot)
            first = [torch.cat(first, dim=1) + positions[:known]] if known else first
        x = torch.cat([*(token.expand(len(x), -1, -1) for token in first), x], dim=1)
        return cast(Tensor, trunk.norm_pre(x))

    def rope(self, grid: Grid) -> Tensor | None:
        """The rotary embeddings of the grid's patches, (h*w, 2 d); None if the tower has none."""
        rope = getattr(self._trunk, "rope", None)
        if rope is None:
            return None
        if rope.feat_shape is None:  # a network for images of any size
            return cast(Tensor, rope.get_embed(shape=list(grid)))
        if tuple(rope.feat_shape) == grid:
            return cast(Tensor, rope.get_embed())
        other = copy.deepcopy(rope)
        other.update_feat_shape(list(grid))
        return cast(Tensor, other.get_embed())

    def last_places(self, trunk: Any, pixels: Tensor, grid: Grid) -> Tensor:
        """The patch tokens after all blocks and the trunk's norm: (B, 3, H, W) to (B, h*w, width)."""
        x = self.through(trunk.blocks, self.embedded(pixels, grid, overshoot=0.0), grid)
        return cast(Tensor, trunk.norm(x[:, self.prefix :]))

    def through(self, blocks: nn.Sequential | nn.ModuleList, tokens: Tensor, grid: Grid) -> Tensor:
        """Map tokens through some of the blocks."""
        rope = self.rope(grid)
        for block in blocks:
            tokens = block(tokens) if rope is None else block(tokens, rope=rope)
        return tokens


def head_maps_tokens(visual: Any) -> bool:
    """Whether open_clip's ``TimmModel`` has no pool of its own after the tower."""
    return type(visual.head) is nn.Sequential and {name for name, _ in visual.head.named_children()} <= HEAD_PARTS


def headed(visual: Any, pooled: Tensor) -> Tensor:
    """Map pooled tokens (B, N, width) through the heads of a timm vision transformer and of open_clip to (B, N, D)."""
    trunk = visual.trunk
    return cast(Tensor, visual.head(trunk.head(trunk.fc_norm(pooled))))
