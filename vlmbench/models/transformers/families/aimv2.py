"""AIMv2 with a text tower, which was trained to a frozen image tower (LiT)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vlmbench.models.transformers.families.clip import CLIP
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.feature_calls import library_text_features


def _causal_features(towers: Any, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Encode texts with a causal mask that the caller makes.

    The library itself makes one only if it is given a mask of padding that has a zero. In a batch whose texts are of
    one length, each token would see the later ones, and a text would have other features than in other batches
    (``Aimv2TextModel.forward`` and ``create_causal_mask`` of transformers 5). Padding needs no mask, because it follows
    the token that is pooled.
    """
    length = input_ids.shape[1]
    later = torch.full((length, length), torch.finfo(torch.float32).min, device=input_ids.device).triu(1)
    return library_text_features(towers, input_ids, later.expand(len(input_ids), 1, length, length))


def _clamped_scale(towers: Any) -> float:
    """As ``Aimv2Model.forward`` clamps it: from 1 to the config's ``max_logit_scale``."""
    return float(towers.logit_scale.float().clamp(0.0, towers.max_log_logit_scale).exp().item())


FAMILIES: Mapping[str, EncoderFamily] = {
    "aimv2": replace(
        CLIP, attention_mask=False, text_end="eos", text_features=_causal_features, logit_scale=_clamped_scale
    )
}
