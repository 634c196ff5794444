"""Implements ``TunableTowers`` for the causal text towers of open_clip. The adapter offers it."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from vlmbench.models.open_clip.packed_text import causal_blocks
from vlmbench.models.open_clip.text import CausalTextEncoder, project
from vlmbench.models.towers.tunable_text import tunable_text
from vlmbench.models.tunable import TunableTowers


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
        causal_blocks(tower),
        lambda x: project(tower, tower.ln_final(x)),
        tower,
    )
