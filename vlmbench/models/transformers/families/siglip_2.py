"""SigLIP 2 in its NaFlex form, which keeps each image's ratio of sides. The fixed-size form has the type ``siglip``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlmbench.models.transformers.families.clip import FAMILIES as OF_CLIP
from vlmbench.models.transformers.family import EncoderFamily

FAMILIES: Mapping[str, EncoderFamily] = {
    # Images differ in their numbers of patches. The processor pads each to its ``max_num_patches``, and masks the rest.
    "siglip2": replace(OF_CLIP["siglip"], pixel_names=("pixel_values", "pixel_attention_mask", "spatial_shapes")),
}
