"""Computes the last map of timm's Swin transformers for images of any size.

timm's own forward pass takes the image size that a network was built for. Here windows keep the size that they were
trained with. As in timm, they are shifted along each side on which the map is larger than a window, and a map that they
do not fill is padded with zeros. If no map is smaller than its windows, the result is that of timm's network after
``set_input_size`` with these windows. A smaller map is padded; timm would make its windows smaller, too, and
interpolate their positions.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers.patch_embed import PatchEmbed
from timm.models.swin_transformer import (
    PatchMerging,
    SwinTransformerBlock,
    SwinTransformerStage,
    WindowAttention,
    window_partition,
    window_reverse,
)
from torch import Tensor, nn

OUTSIDE = -100.0
"""What is added to the product of two places that a shift brought into one window (timm, ``get_attn_mask``)."""


def swin_is_known(trunk: Any) -> bool:
    """Whether :func:`swin_map` computes what the tower does."""
    return type(trunk.patch_embed) is PatchEmbed and all(
        type(stage) is SwinTransformerStage
        and type(stage.downsample) in (PatchMerging, nn.Identity)
        and all(
            type(block) is SwinTransformerBlock and type(block.attn) is WindowAttention and not block.always_partition
            for block in stage.blocks
        )
        for stage in trunk.layers
    )


def swin_map(trunk: Any, pixels: Tensor) -> Tensor:
    """Map (B, 3, H, W), sides a multiple of the tower's stride, to the last map, (B, h, w, width)."""
    embed = trunk.patch_embed
    x = embed.norm(embed.proj(pixels).permute(0, 2, 3, 1))
    for stage in trunk.layers:
        x = stage.downsample(x)
        for block in stage.blocks:
            x = x + _attended(block, block.norm1(x))
            x = x + block.mlp(block.norm2(x))
    return cast(Tensor, trunk.norm(x))


def _attended(block: Any, x: Tensor) -> Tensor:
    """The attention within the windows of one block: (B, h, w, width) to the same shape."""
    height, width = x.shape[1:3]
    window = block.window_size
    shift = [
        side // 2 if any(block.target_shift_size) and size > side else 0
        for side, size in zip(window, (height, width), strict=True)
    ]
    x = torch.roll(x, [-step for step in shift], dims=(1, 2))
    x = F.pad(x, (0, 0, 0, -width % window[1], 0, -height % window[0]))
    padded = x.shape[1:3]
    windows = window_partition(x, window).flatten(1, 2)
    mask = _mask((padded[0], padded[1]), window, shift, x) if any(shift) else None
    mixed = block.attn(windows, mask=mask).unflatten(1, window)
    x = window_reverse(mixed, window, *padded)[:, :height, :width]
    return torch.roll(x, shift, dims=(1, 2))


def _mask(size: tuple[int, int], window: tuple[int, int], shift: list[int], like: Tensor) -> Tensor:
    """(windows, places, places): 0 for two places of a window that were neighbours before the shift, else OUTSIDE."""
    down, across = (
        torch.bucketize(torch.arange(side), torch.tensor([side - one, side - step]), right=True)
        for side, one, step in zip(size, window, shift, strict=True)
    )
    region = (3 * down[:, None] + across)[None, :, :, None]
    regions = window_partition(region, window).flatten(1)
    apart = regions[:, :, None] != regions[:, None]
    return torch.where(apart, OUTSIDE, 0.0).to(like)
