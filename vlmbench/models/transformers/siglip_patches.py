"""Splits SigLIP's image tower of the transformers library where it pools; SigLIP 2 of fixed size has the same tower.

The tower pools by attention with one learnt query and a feed-forward part: ``patches.py`` chooses it, and open_clip's
copy of the same weights has the same readout.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor
from transformers.models.siglip import modeling_siglip

from vlmbench.models.towers.patch_readouts import Grid, stretched_patches
from vlmbench.models.towers.pooled_patches import attends_fully, value_path

VISION_CLASSES = ("SiglipVisionModel", "SiglipVisionTransformer")
"""The class of a SiglipModel's image tower: the first since version 5 of the library, the second before."""


def siglip_tower(network: Any) -> SiglipTower | None:
    """Split the network's image tower; None if it is another, or a step is unknown."""
    if type(network) is not modeling_siglip.SiglipModel:
        return None
    vision: Any = network.vision_model
    known = (
        type(vision) in [getattr(modeling_siglip, name, None) for name in VISION_CLASSES]
        and type(vision.embeddings) is modeling_siglip.SiglipVisionEmbeddings
        and type(vision.encoder) is modeling_siglip.SiglipEncoder
        and vision.use_head
        and type(vision.head) is modeling_siglip.SiglipMultiheadAttentionPoolingHead
        and attends_fully(vision.head.attention)
    )
    return SiglipTower(vision) if known else None


class SiglipTower:
    """SigLIP's vision transformer as a ``PooledTower``.

    Args:
        vision: a tower that :func:`siglip_tower` understands, in evaluation mode.
    """

    def __init__(self, vision: Any) -> None:
        self.patch_size = int(vision.embeddings.patch_size)
        self._vision = vision

    def places(self, pixels: Tensor, grid: Grid) -> Tensor:
        vision, embeddings = self._vision, self._vision.embeddings
        x = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
        trained = (embeddings.image_size // embeddings.patch_size,) * 2
        x = x + stretched_patches(embeddings.position_embedding.weight, trained, grid, 0.0)
        return cast(Tensor, vision.post_layernorm(vision.encoder(inputs_embeds=x).last_hidden_state))

    def alone(self, places: Tensor) -> Tensor:
        head = self._vision.head
        x = value_path(head.attention, places)
        return cast(Tensor, x + head.mlp(head.layernorm(x)))
