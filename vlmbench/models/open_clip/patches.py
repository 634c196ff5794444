"""Implements ``DenseEncoder`` for open_clip's image towers: its vision transformer and CLIP's ResNets.

The adapter uses it. Towers of other classes, such as timm's, have no patch features here, and neither do towers with a
special pooling (CoCa's attentional pooler): the meaning of their patches in the space of the texts is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from open_clip.transform import PreprocessCfg
from open_clip.transformer import (
    Attention,
    CustomResidualAttentionBlock,
    ResidualAttentionBlock,
    Transformer,
    VisionTransformer,
)
from torch import Tensor, nn
from torchvision.transforms import Compose, Normalize, ToTensor

from vlmbench.models.base import DenseEncoder
from vlmbench.models.towers.patch_readouts import (
    Grid,
    Heads,
    PatchEncoder,
    as_map,
    known_readout,
    patch_grid,
    stretched,
)
from vlmbench.rgb import as_rgb

RESNET_STRIDE = 32
"""The side in pixels of one place of the last map: the stem halves the map twice, layers 2 to 4 once each."""


def dense_encoder(model: str, network: Any, transform: PreprocessCfg) -> DenseEncoder | None:
    """Make the ``DenseEncoder`` of the network's image tower; None if any step of the tower is unknown."""
    if type(network) not in (CLIP, CustomTextCLIP):
        return None
    visual = network.visual
    normalise = _colours(transform)
    if type(visual) is ModifiedResNet and type(visual.attnpool) is AttentionPool2d:
        return ResNetPatchEncoder(model, visual, normalise)
    if type(visual) is VisionTransformer and _understood(visual):
        return PatchEncoder(model, VisionTransformerTower(visual), normalise)
    return None


def _understood(visual: Any) -> bool:
    """Whether :class:`VisionTransformerTower` can compute the features of the transformer's patches."""
    transformer = visual.transformer
    if type(transformer) is not Transformer or not transformer.batch_first or not len(transformer.resblocks):
        return False
    # Norm and projection map a token to the space of the texts only if the tower pools, and not with attention.
    if visual.attn_pool is not None or visual.pool_type not in ("tok", "avg") or visual.proj is None:
        return False
    if visual.patch_size[0] != visual.patch_size[1]:  # a DenseEncoder's patches are square
        return False
    last = transformer.resblocks[-1]
    if type(last) is ResidualAttentionBlock:
        return type(last.attn) is nn.MultiheadAttention
    # open_clip's own forward pass fails on scaled cosine attention (torch.bmm of four dimensions).
    return type(last) is CustomResidualAttentionBlock and type(last.attn) is Attention and last.attn.logit_scale is None


class VisionTransformerTower:
    """open_clip's ``VisionTransformer`` as a ``Tower``.

    Head scales, inner norms and LayerScale act between the mixed values and the residual stream. They belong to the
    attention branch, and reduced readouts keep them; the papers' own towers do not have them. Queries and keys are
    taken after their norm. If a tower normalises after pooling, each patch is treated as the pooled token.

    Args:
        visual: a tower that :func:`dense_encoder` understands, in evaluation mode.
    """

    def __init__(self, visual: Any) -> None:
        self.patch_size = int(visual.patch_size[0])
        self._visual = visual
        self._last = visual.transformer.resblocks[-1]

    def before_last(self, pixels: Tensor, grid: Grid, overshoot: float) -> Tensor:
        visual = self._visual
        x = visual.conv1(pixels).flatten(2).transpose(1, 2)
        positions = stretched(visual.positional_embedding, visual.grid_size, grid, overshoot).to(x.dtype)
        first = (visual.class_embedding.to(x.dtype) + positions[0]).expand(len(x), 1, -1)
        x = visual.ln_pre(torch.cat([first, x + positions[1:]], dim=1))
        for block in visual.transformer.resblocks[:-1]:
            x = block(x)
        return cast(Tensor, x)

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


def _colours(transform: PreprocessCfg) -> Callable[[PIL.Image.Image], Tensor]:
    steps = Compose([ToTensor(), Normalize(mean=transform.mean, std=transform.std)])

    def normalise(image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, steps(as_rgb(image)))

    return normalise
