"""Families whose text tower is not causal and masks padding: ALIGN, AltCLIP, Chinese-CLIP and FLAVA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from vlmbench.models.base import Pixels
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.feature_calls import (
    inverse_temperature,
    library_image_features,
    library_text_features,
)
from vlmbench.models.transformers.model import encoder_model


def _bert(context_length: int) -> EncoderFamily:
    """A family whose texts are cut at the length that its authors use."""
    return EncoderFamily(model=encoder_model, padding="longest", attention_mask=True, context_length=context_length)


def _flava_image_features(towers: Any, pixels: Pixels) -> Tensor:
    """FLAVA projects every token, and its pooled token is the first (``FlavaForPreTraining.forward``)."""
    return library_image_features(towers, pixels)[:, 0]


def _flava_text_features(towers: Any, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    return library_text_features(towers, input_ids, attention_mask)[:, 0]


FAMILIES: Mapping[str, EncoderFamily] = {
    # AlignProcessor's max_length; its image tower is convolutional
    "align": replace(_bert(64), any_image_size=True, logit_scale=inverse_temperature),
    "altclip": _bert(77),  # the length of CLIP's texts, since CLIP was its teacher
    "chinese_clip": _bert(52),  # the authors' cn_clip.clip.tokenize
    # the length of model_doc/flava
    "flava": replace(_bert(77), image_features=_flava_image_features, text_features=_flava_text_features),
}
