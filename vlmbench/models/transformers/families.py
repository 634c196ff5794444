"""Lists the families of transformers checkpoints in :data:`FAMILIES`, one entry each.

The adapter finds a checkpoint's family here. So does the adapter of models in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from vlmbench.models.transformers.family import Family
from vlmbench.models.transformers.owl import OwlDetector
from vlmbench.models.transformers.segmenters import HeadSegmenter, clipseg_logits, groupvit_logits

CLIP = Family(padding="longest", attention_mask=True, text_end="eos unless 2")


def _bert(context_length: int) -> Family:
    """A family whose text tower is not causal and masks padding. Texts are cut at the length that its authors use."""
    return Family(padding="longest", attention_mask=True, context_length=context_length)


def _owl(network: str, towers: str) -> Family:
    # The detectors were trained without a projection of whole images: convert_owlv2_to_hf.py asserts that the library's
    # projection is the only weight that the original lacks. OWL-ViT's backbone is the same. In published checkpoints
    # this projection holds random numbers.
    return replace(
        CLIP,
        text_end="highest id",
        network=network,
        towers=towers,
        encodes_images=False,
        capabilities={"Detector": OwlDetector},
    )


FAMILIES: Mapping[str, Family] = {
    # The key is model_type in config.json. Every family has get_image_features and get_text_features.
    "clip": CLIP,
    # Trained on full-length texts without a mask (transformers docs, model_doc/siglip), like fixed-size SigLIP 2.
    "siglip": Family(padding="max_length", attention_mask=False, lowercase=True),
    "metaclip_2": replace(CLIP, text_end="eos"),
    # AlignProcessor's max_length; its image tower is convolutional
    "align": replace(_bert(64), any_image_size=True),
    "altclip": _bert(77),  # the length of CLIP's texts, since CLIP was its teacher
    "chinese_clip": _bert(52),  # the authors' cn_clip.clip.tokenize
    "flava": _bert(77),  # model_doc/flava
    "clipseg": replace(
        CLIP,
        network="CLIPSegForImageSegmentation",
        any_image_size=True,  # it interpolates its positional embeddings
        towers="clip",
        capabilities={"Segmenter": partial(HeadSegmenter, head=clipseg_logits)},
    ),
    "groupvit": replace(CLIP, capabilities={"Segmenter": partial(HeadSegmenter, head=groupvit_logits)}),
    "owlvit": _owl("OwlViTForObjectDetection", "owlvit"),
    "owlv2": _owl("Owlv2ForObjectDetection", "owlv2"),
}
