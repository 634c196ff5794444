"""TIPSv2, which pools texts by the mean of their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlmbench.models.transformers.family import EncoderFamily, Parts
from vlmbench.models.transformers.feature_calls import inverse_temperature
from vlmbench.models.transformers.model import TransformersModel, encoder_model


def _model(family: EncoderFamily, parts: Parts) -> TransformersModel:
    """Tipsv2Processor pads to the full length. The mask makes shorter padding equal, if it follows the text."""
    right = parts.tokenizer.padding_side == "right"
    return encoder_model(replace(family, padding="longest") if right else family, parts)


FAMILIES: Mapping[str, EncoderFamily] = {
    # Published files lack the temperature, and the library then takes the config's.
    "tipsv2": EncoderFamily(
        model=_model, padding="max_length", attention_mask=True, lowercase=True, logit_scale=inverse_temperature
    ),
}
