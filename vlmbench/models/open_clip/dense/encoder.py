"""Chooses the ``DenseEncoder`` of an open_clip network by the exact classes of its parts. The adapter uses it.

A part of an unknown class may do anything in its forward pass. A tower with such a part has no patch features here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import PIL.Image
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.timm_model import TimmModel
from open_clip.transform import PreprocessCfg
from torch import Tensor
from torchvision.transforms import Compose, Normalize, ToTensor

from vlmbench.models.base import DenseEncoder
from vlmbench.models.open_clip.dense.coca import coca_tower
from vlmbench.models.open_clip.dense.resnet import resnet_encoder
from vlmbench.models.open_clip.dense.vision_transformer import vision_transformer_tower
from vlmbench.models.towers.patch_readouts import PatchEncoder
from vlmbench.models.towers.pooled_patches import EACH_PLACE, VALUE_PATH, PooledPatchEncoder
from vlmbench.rgb import as_rgb

Normalise = Callable[[PIL.Image.Image], Tensor]


def dense_encoder(model: str, network: Any, transform: PreprocessCfg) -> DenseEncoder | None:
    """Make the ``DenseEncoder`` of the network's image tower; None if any step of the tower is unknown."""
    if type(network) not in (CLIP, CustomTextCLIP, CoCa):
        return None
    return tower_encoder(model, network.visual, _colours(transform))


def tower_encoder(model: str, visual: Any, normalise: Normalise) -> DenseEncoder | None:
    """Make the ``DenseEncoder`` of an image tower; None if any step of it is unknown.

    Args:
        normalise: maps an image in any mode to (3, H, W) with the model's colours, without resizing.
    """
    if type(visual) is TimmModel:
        return _timm_encoder(model, visual, normalise)
    if (transformer := vision_transformer_tower(visual)) is not None:
        return PatchEncoder(model, transformer, normalise)
    if (coca := coca_tower(visual)) is not None:
        return PooledPatchEncoder(model, coca, normalise, VALUE_PATH)
    return resnet_encoder(model, visual, normalise)


def _timm_encoder(model: str, visual: Any, normalise: Normalise) -> DenseEncoder | None:
    # open_clip loads without timm, so these are not imported before a tower of timm is there.
    from vlmbench.models.open_clip.dense.timm_attention_pool import attention_pool_tower
    from vlmbench.models.open_clip.dense.timm_class_token import class_token_tower
    from vlmbench.models.open_clip.dense.timm_mean_pool import mean_pool_tower
    from vlmbench.models.open_clip.dense.timm_relative_positions import relative_position_tower

    for split in (class_token_tower, relative_position_tower):
        if (tower := split(visual)) is not None:
            return PatchEncoder(model, tower, normalise)
    if (pooled := attention_pool_tower(visual)) is not None:
        return PooledPatchEncoder(model, pooled, normalise, VALUE_PATH)
    if (mean := mean_pool_tower(visual)) is not None:
        return PooledPatchEncoder(model, mean, normalise, EACH_PLACE)
    return None


def _colours(transform: PreprocessCfg) -> Normalise:
    steps = Compose([ToTensor(), Normalize(mean=transform.mean, std=transform.std)])

    def normalise(image: PIL.Image.Image) -> Tensor:
        return cast(Tensor, steps(as_rgb(image)))

    return normalise
