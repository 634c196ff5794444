"""Families whose text tower is not causal and masks padding: ALIGN, AltCLIP, Chinese-CLIP and FLAVA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.model import encoder_model


def _bert(context_length: int) -> EncoderFamily:
    """A family whose texts are cut at the length that its authors use."""
    return EncoderFamily(model=encoder_model, padding="longest", attention_mask=True, context_length=context_length)


FAMILIES: Mapping[str, EncoderFamily] = {
    # AlignProcessor's max_length; its image tower is convolutional
    "align": replace(_bert(64), any_image_size=True),
    "altclip": _bert(77),  # the length of CLIP's texts, since CLIP was its teacher
    "chinese_clip": _bert(52),  # the authors' cn_clip.clip.tokenize
    "flava": _bert(77),  # model_doc/flava
}
