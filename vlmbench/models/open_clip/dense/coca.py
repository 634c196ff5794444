"""Splits open_clip's ``VisionTransformer`` with an attentional pooler (CoCa) where it pools. ``encoder.py`` chooses it.

The image's feature is the pooler's answer to its first query, or the mean of its answers to the others. Over one patch,
every query has the same answer: the patch's value.
"""

from __future__ import annotations

from typing import Any, cast

from open_clip.transformer import AttentionalPooler
from torch import Tensor

from vlmbench.models.open_clip.dense.vision_transformer import embedded, embeds_patches
from vlmbench.models.towers.patch_readouts import Grid
from vlmbench.models.towers.pooled_patches import attends_fully, value_path


def coca_tower(visual: Any) -> CocaTower | None:
    """Split the tower; None if it is not a ``VisionTransformer`` with an attentional pooler, or a step is unknown."""
    if not embeds_patches(visual) or visual.proj is None:
        return None
    pool = visual.attn_pool
    known = (
        type(pool) is AttentionalPooler
        and attends_fully(pool.attn)
        # With a second pool ("parallel", "cascade") open_clip's own feature is a matrix: its code is unfinished there.
        and visual.attn_pool_contrastive is None
        and visual.pool_type in ("tok", "avg")
    )
    return CocaTower(visual) if known else None


class CocaTower:
    """CoCa's image tower as a ``PooledTower``.

    Args:
        visual: a tower that :func:`coca_tower` understands, in evaluation mode.
    """

    def __init__(self, visual: Any) -> None:
        self.patch_size = int(visual.patch_size[0])
        self._visual = visual

    def places(self, pixels: Tensor, grid: Grid) -> Tensor:
        x = embedded(self._visual, pixels, grid, overshoot=0.0)
        return cast(Tensor, self._visual.transformer(x)[:, 1:])

    def alone(self, places: Tensor) -> Tensor:
        visual, pool = self._visual, self._visual.attn_pool
        return cast(Tensor, visual.ln_post(value_path(pool.attn, pool.ln_k(places))) @ visual.proj)
