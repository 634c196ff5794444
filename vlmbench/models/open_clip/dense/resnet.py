"""Implements ``DenseEncoder`` for CLIP's ResNets. ``encoder.py`` chooses it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import PIL.Image
import torch
import torch.nn.functional as F
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from torch import Tensor

from vlmbench.models.base import DenseEncoder
from vlmbench.models.towers.patch_readouts import Grid, as_map, known_readout, patch_grid, stretched

RESNET_STRIDE = 32
"""The side in pixels of one place of the last map: the stem halves the map twice, layers 2 to 4 once each."""


def resnet_encoder(model: str, visual: Any, normalise: Callable[[PIL.Image.Image], Tensor]) -> DenseEncoder | None:
    """Make the ``DenseEncoder`` of CLIP's ResNet; None if the tower is another."""
    if type(visual) is ModifiedResNet and type(visual.attnpool) is AttentionPool2d:
        return ResNetPatchEncoder(model, visual, normalise)
    return None


class ResNetPatchEncoder:
    """The ``DenseEncoder`` of CLIP's ResNets.

    - "maskclip": the values of the attention pool at each place of the last map. MaskCLIP (Zhou et al. 2022, section
      3.2): the value projection and then the output projection, as two 1 by 1 convolutions, without positional
      embedding (mmseg/models/decode_heads/maskclip_head.py of chongzhou96/MaskCLIP).
    - "plain": the attention pool with each place as the query, in the place of the mean over places. CALIP and PLOT
      (ZiyuGuo99/CALIP, clip/model.py; CHENGY12/PLOT, plot-coop/clip/model.py).

    Args:
        visual: the tower, in evaluation mode.
        normalise: maps an image in any mode to (3, H, W) with the model's colours, without resizing.
    """

    readouts: tuple[str, ...] = ("maskclip", "plain")
    patch_size = RESNET_STRIDE

    def __init__(self, model: str, visual: Any, normalise: Callable[[PIL.Image.Image], Tensor]) -> None:
        self._model = model
        self._visual = visual
        self.normalise = normalise

    def encode_patches(self, pixels: Tensor, readout: str) -> Tensor:
        known_readout(self._model, readout, self.readouts)
        grid = patch_grid(self._model, pixels, self.patch_size)
        visual, x = self._visual, pixels
        for stage in (visual.stem, visual.layer1, visual.layer2, visual.layer3, visual.layer4):
            x = stage(x)
        places = x.flatten(2).transpose(1, 2)
        values = _attended(visual.attnpool, places, grid) if readout == "plain" else visual.attnpool.v_proj(places)
        return as_map(visual.attnpool.c_proj(values), grid)


def _attended(pool: Any, places: Tensor, grid: Grid) -> Tensor:
    """Mixed values of the attention pool with each place as the query: (B, h*w, width) to (B, h*w, width).

    The mean over places stays among the keys. Its own row would be the image's feature.
    """
    side = math.isqrt(len(pool.positional_embedding) - 1)
    positions = stretched(pool.positional_embedding, (side, side), grid, 0.0).to(places.dtype)
    tokens = torch.cat([places.mean(dim=1, keepdim=True), places], dim=1) + positions
    shape = (*tokens.shape[:2], pool.num_heads, -1)
    queries, keys, values = (
        project(tokens).reshape(shape).transpose(1, 2) for project in (pool.q_proj, pool.k_proj, pool.v_proj)
    )
    return F.scaled_dot_product_attention(queries, keys, values).transpose(1, 2).flatten(2)[:, 1:]
