"""Families whose text tower is CLIP's or SigLIP's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.model import encoder_model

CLIP = EncoderFamily(model=encoder_model, padding="longest", attention_mask=True, text_end="eos unless 2")
FAMILIES: Mapping[str, EncoderFamily] = {
    "clip": CLIP,
    # Trained on full-length texts without a mask (transformers docs, model_doc/siglip), like fixed-size SigLIP 2.
    "siglip": EncoderFamily(model=encoder_model, padding="max_length", attention_mask=False, lowercase=True),
    "metaclip_2": replace(CLIP, text_end="eos"),
}
