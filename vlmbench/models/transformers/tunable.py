"""Implements ``TunableTowers`` and ``TunableImageTower`` for CLIP in transformers. Its models offer them."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import PrefixTextEncoder
from vlmbench.models.towers.overlay import overlay
from vlmbench.models.towers.tunable_image import TunableTransformer, in_full_precision
from vlmbench.models.towers.tunable_text import tunable_text
from vlmbench.models.transformers.residual_blocks import image_blocks, text_blocks
from vlmbench.models.tunable import TunableImageTower, TunableTowers


def tunable_towers(towers: Any, trimmed: PrefixTextEncoder | None) -> TunableTowers | None:
    """Make the ``TunableTowers`` of a model; None if the class of a part of its text tower is unknown."""
    blocks = [] if trimmed is None else text_blocks(towers)
    if trimmed is None or not blocks:
        return None
    text = towers.text_model
    return tunable_text(
        trimmed.tokenize,
        trimmed.lengths,
        text.embeddings.token_embedding,
        lambda: cast(Tensor, text.embeddings.position_embedding.weight),
        blocks,
        lambda x: F.normalize(towers.text_projection(text.final_layer_norm(x)), dim=-1),
        overlay(towers, ("text_model.", "text_projection.")),
    )


def tunable_image_tower(towers: Any) -> TunableImageTower | None:
    """Make the ``TunableImageTower`` of a model; None if the class of a part of its image tower is unknown."""
    blocks = image_blocks(towers)
    if not blocks:
        return None
    vision = towers.vision_model
    embeddings = vision.embeddings

    def embed(pixels: Tensor) -> Tensor:
        patches = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = embeddings.class_embedding.expand(len(patches), 1, -1)
        return cast(Tensor, torch.cat([first, patches], dim=1) + embeddings.position_embedding.weight)

    return in_full_precision(
        TunableTransformer(
            embed,
            vision.pre_layrnorm,
            blocks,
            lambda x: F.normalize(towers.visual_projection(vision.post_layernorm(x)), dim=-1),
            int(embeddings.embed_dim),
            overlay(towers, ("vision_model.", "visual_projection.")),
        )
    )
