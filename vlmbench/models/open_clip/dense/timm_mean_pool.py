"""Splits timm's towers that pool by the mean where they pool. ``encoder.py`` chooses it.

These are ConvNeXt, FastViT (MobileCLIP), Swin, and vision transformers such as ViTamin and those named "gap". The head
maps each place to the space of the texts, as it maps the pooled token; FC-CLIP (Yu et al. 2023, bytedance/fc-clip,
fcclip/modeling/backbone/clip.py) does so with regions of ConvNeXt's map. The heads of FastViT, of Swin and of some
vision transformers are linear after the pool, so the mean of the patches' features, not normalised, is the image's.
ConvNeXt and ViTamin normalise after the pool, and ``mlp`` heads have an activation: there the mean differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from timm.layers.classifier import ClassifierHead, NormMlpClassifierHead
from timm.models.convnext import ConvNeXt
from timm.models.fastvit import FastVit
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from vlmbench.models.open_clip.dense.swin import swin_is_known, swin_map
from vlmbench.models.open_clip.dense.timm_tokens import TimmTokens, head_maps_tokens, headed, timm_tokens
from vlmbench.models.towers.patch_readouts import Grid


def mean_pool_tower(visual: Any) -> MeanPoolTokens | MeanPoolMap | None:
    """Split a ``TimmModel``; None if it does not pool by the mean of its places, or a step is unknown."""
    trunk = visual.trunk
    if not head_maps_tokens(visual):
        return None
    tokens = timm_tokens(trunk)
    if tokens is not None:
        mean = trunk.global_pool == "avg" and trunk.attn_pool is None
        # A pool over the class token, too, would not be a mean of places.
        return MeanPoolTokens(visual, tokens) if mean and not getattr(trunk, "pool_include_prefix", False) else None
    if type(trunk) not in (ConvNeXt, FastVit, SwinTransformer):
        return None
    if type(trunk.head) not in (ClassifierHead, NormMlpClassifierHead) or trunk.head.global_pool.pool_type != "avg":
        return None
    if type(trunk) is SwinTransformer:
        return MeanPoolMap(visual, lambda pixels: swin_map(trunk, pixels)) if swin_is_known(trunk) else None
    if getattr(trunk, "fork_feat", False):
        return None
    return MeanPoolMap(visual, lambda pixels: trunk.forward_features(pixels).permute(0, 2, 3, 1))


class MeanPoolTokens:
    """A timm vision transformer that pools by the mean as a ``PooledTower``.

    Args:
        visual: a tower that :func:`mean_pool_tower` understands, in evaluation mode.
    """

    def __init__(self, visual: Any, tokens: TimmTokens) -> None:
        self.patch_size = tokens.patch_size
        self._tokens = tokens
        self._visual = visual

    def places(self, pixels: Tensor, grid: Grid) -> Tensor:
        return self._tokens.last_places(self._visual.trunk, pixels, grid)

    def alone(self, places: Tensor) -> Tensor:
        return headed(self._visual, places)


class MeanPoolMap:
    """A timm network that pools its last map by the mean as a ``PooledTower``.

    Args:
        visual: a tower that :func:`mean_pool_tower` understands, in evaluation mode.
        last_map: (B, 3, H, W) to the last map, (B, h, w, width).
    """

    def __init__(self, visual: Any, last_map: Callable[[Tensor], Tensor]) -> None:
        self.patch_size = int(visual.trunk.feature_info[-1]["reduction"])
        self._visual = visual
        self._last_map = last_map

    def places(self, pixels: Tensor, grid: Grid) -> Tensor:
        return self._last_map(pixels).flatten(1, 2)

    def alone(self, places: Tensor) -> Tensor:
        # Each place is a map of one place. The mean over it is the place itself.
        maps = places.flatten(0, 1)[:, None, None]
        if type(self._visual.trunk) is not SwinTransformer:  # Swin's maps have the width last
            maps = maps.permute(0, 3, 1, 2)
        features = self._visual.head(self._visual.trunk.forward_head(maps))
        return cast(Tensor, features.unflatten(0, places.shape[:2]))
