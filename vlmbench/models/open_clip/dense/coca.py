"""Splits open_clip's ``VisionTransformer`` with an attentional pooler (CoCa) where it pools. ``encoder.py`` chooses it.

The image's feature is the pooler's answer to one query: its first, or the only one of ``attn_pool_contrastive``. Over
one patch, every query has the same answer: the patch's value.
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
    if not embeds_patches(visual) or visual.attn_pool is None or visual.proj is None:
        return None
    contrastive = visual.attn_pool_contrastive is not None
    # Without a pool of its own for the contrast, the tower picks one query, or takes the mean over all but the first.
    if not contrastive and visual.pool_type not in ("tok", "avg"):
        return None
    pools = [visual.attn_pool, *([visual.attn_pool_contrastive] if contrastive else [])]
    known = all(type(pool) is AttentionalPooler and attends_fully(pool.attn) for pool in pools)
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
        visual = self._visual
        if visual.attn_pool_contrastive is None:
            pooled = visual.ln_post(_value(visual.attn_pool, places))
        else:
            pooled = visual.ln_post(places)
            if visual.attn_pool_type == "cascade":
                pooled = _value(visual.attn_pool, pooled)
            pooled = _value(visual.attn_pool_contrastive, pooled)
        return cast(Tensor, pooled @ visual.proj)


def _value(pool: Any, tokens: Tensor) -> Tensor:
    return value_path(pool.attn, pool.ln_k(tokens))
