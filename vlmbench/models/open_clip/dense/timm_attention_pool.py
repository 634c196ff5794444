"""Splits timm's vision transformers that pool by attention where they pool: SigLIP, SigLIP 2, Perception Encoder.

``encoder.py`` chooses it.
"""

from __future__ import annotations

from typing import Any

from timm.layers.attention_pool import AttentionPoolLatent
from torch import Tensor

from vlmbench.models.open_clip.dense.timm_tokens import TimmTokens, head_maps_tokens, headed, timm_tokens
from vlmbench.models.towers.patch_readouts import Grid


def attention_pool_tower(visual: Any) -> AttentionPoolTower | None:
    """Split a ``TimmModel``; None if it does not pool by attention, or a step is unknown."""
    tokens = timm_tokens(visual.trunk)
    if tokens is None or not head_maps_tokens(visual):
        return None
    pool = visual.trunk.attn_pool
    # Over one token, all queries have the same answer, so the first and the mean are equal.
    known = type(pool) in (AttentionPoolLatent,) and pool.pos_embed is None and pool.pool in ("token", "avg")
    return AttentionPoolTower(visual, tokens) if known else None


class AttentionPoolTower:
    """A timm vision transformer that pools by attention as a ``PooledTower``.

    The pool's feed-forward part is a part of its head: it is applied to each patch. Class tokens and registers take
    part in the tower's blocks and have no place of their own.

    Args:
        visual: a tower that :func:`attention_pool_tower` understands, in evaluation mode.
    """

    def __init__(self, visual: Any, tokens: TimmTokens) -> None:
        self.patch_size = tokens.patch_size
        self._tokens = tokens
        self._visual = visual

    def places(self, pixels: Tensor, grid: Grid) -> Tensor:
        return self._tokens.last_places(self._visual.trunk, pixels, grid)

    def alone(self, places: Tensor) -> Tensor:
        pool = self._visual.trunk.attn_pool
        x = pool.proj(pool.kv(places).chunk(2, dim=-1)[1])
        if pool.mlp is not None:
            x = x + pool.mlp(pool.norm(x))
        return headed(self._visual, x)
