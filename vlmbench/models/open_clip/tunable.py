"""Implements ``TunableTowers`` and ``TunableImageTower`` for towers of open_clip. The adapter offers them.

They are offered for causal text towers, for vision transformers that pool at their class token, and for CLIP's ResNets.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor

from vlmbench.models.open_clip.residual_blocks import residual_blocks
from vlmbench.models.open_clip.text import CausalTextEncoder, project
from vlmbench.models.towers.overlay import overlay
from vlmbench.models.towers.tunable_image import TunableNetwork, TunableTransformer, in_full_precision
from vlmbench.models.towers.tunable_text import tunable_text
from vlmbench.models.tunable import TunableImageTower, TunableTowers

TEXT_PARTS = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
"""The beginnings of the names of a text tower's parameters. ``CLIP`` holds them beside its image tower."""


def tunable_towers(trimmed: CausalTextEncoder | None) -> TunableTowers | None:
    """Make the ``TunableTowers`` of a model; None if the classes of its text tower's parts are not known."""
    if trimmed is None:
        return None
    tower = trimmed.tower
    return tunable_text(
        trimmed.tokenize,
        trimmed.lengths,
        tower.token_embedding,
        lambda: cast(Tensor, tower.positional_embedding),
        residual_blocks(tower.transformer),
        lambda x: project(tower, tower.ln_final(x)),
        overlay(tower, TEXT_PARTS),
    )


def tunable_image_tower(network: Any) -> TunableImageTower | None:
    """Make the ``TunableImageTower`` of a model; None if the class of a part of its image tower is not known."""
    if type(network) not in (CLIP, CustomTextCLIP):
        return None
    visual = network.visual
    if type(visual) is ModifiedResNet and type(visual.attnpool) is AttentionPool2d:
        return in_full_precision(TunableNetwork(lambda pixels: F.normalize(visual(pixels), dim=-1), overlay(visual)))
    if type(visual) is not VisionTransformer or visual.attn_pool is not None or visual.pool_type != "tok":
        return None
    blocks = residual_blocks(visual.transformer)
    return in_full_precision(_transformer(visual, blocks)) if blocks else None


def _transformer(visual: Any, blocks: Any) -> TunableTransformer:
    def embed(pixels: Tensor) -> Tensor:
        patches = visual.conv1(pixels).flatten(2).transpose(1, 2)
        first = visual.class_embedding.expand(len(patches), 1, -1)
        return cast(Tensor, torch.cat([first, patches], dim=1) + visual.positional_embedding)

    def project_token(x: Tensor) -> Tensor:
        x = visual.ln_post(x)
        return F.normalize(x if visual.proj is None else x @ visual.proj, dim=-1)

    width = len(visual.class_embedding)
    return TunableTransformer(embed, visual.ln_pre, blocks, project_token, width, overlay(visual))
