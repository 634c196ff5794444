"""BLIP: the class for retrieval, whose weights are published, and the class with CLIP's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor

from vlmbench.models.base import Pixels
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.model import encoder_model
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SCALE_ASSUMED

CONTEXT_LENGTH = 35
"""The authors' length of texts in retrieval (salesforce/BLIP, train_retrieval.py)."""
TEMPERATURE = 0.07
"""The temperature with which training begins (salesforce/BLIP, models/blip_pretrain.py, models/blip_retrieval.py)."""


def _image_features(towers: Any, pixels: Pixels) -> Tensor:
    states = towers.vision_model(pixel_values=pixels).last_hidden_state
    return cast(Tensor, towers.vision_proj(states[:, 0]))


def _text_features(towers: Any, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
    states = towers.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return cast(Tensor, towers.text_proj(states[:, 0]))


def _assumed_scale(towers: Any) -> float:
    scale = 1 / TEMPERATURE
    say(
        SCALE_ASSUMED,
        f"the checkpoint has no logit scale, so confidences use the factor {scale:.4g}, with which BLIP's training "
        "begins; rankings do not depend on it",
    )
    return scale


FAMILIES: Mapping[str, EncoderFamily] = {
    "blip": EncoderFamily(
        model=encoder_model,
        network="BlipForImageTextRetrieval",
        padding="longest",
        attention_mask=True,
        context_length=CONTEXT_LENGTH,
        image_features=_image_features,
        text_features=_text_features,
        logit_scale=_assumed_scale,
        other_classes={
            "BlipModel": EncoderFamily(
                model=encoder_model, padding="longest", attention_mask=True, context_length=CONTEXT_LENGTH
            )
        },
    )
}
