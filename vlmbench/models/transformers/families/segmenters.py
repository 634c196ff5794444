"""Families with a segmentation head: CLIPSeg and GroupViT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from vlmbench.models.transformers.families.clip import CLIP
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.segmenters import HeadSegmenter, clipseg_logits, groupvit_logits

FAMILIES: Mapping[str, EncoderFamily] = {
    "clipseg": replace(
        CLIP,
        network="CLIPSegForImageSegmentation",
        any_image_size=True,  # it interpolates its positional embeddings
        towers="clip",
        capabilities={"Segmenter": partial(HeadSegmenter, head=clipseg_logits)},
    ),
    "groupvit": replace(CLIP, capabilities={"Segmenter": partial(HeadSegmenter, head=groupvit_logits)}),
}
