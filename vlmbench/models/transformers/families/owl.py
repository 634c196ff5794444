"""The families of OWL-ViT and OWLv2, which find boxes for texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vlmbench.models.transformers.families.clip import CLIP
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.owl import OwlDetector


def _owl(network: str, towers: str) -> EncoderFamily:
    # The detectors were trained without a projection of whole images: convert_owlv2_to_hf.py asserts that the library's
    # projection is the only weight that the original lacks. OWL-ViT's backbone is the same. In published checkpoints
    # this projection holds random numbers.
    return replace(
        CLIP,
        text_end="highest id",
        network=network,
        towers=towers,
        encodes_images=False,
        options=frozenset({"top_k"}),
        capabilities={"Detector": OwlDetector},
    )


FAMILIES: Mapping[str, EncoderFamily] = {
    "owlvit": _owl("OwlViTForObjectDetection", "owlvit"),
    "owlv2": _owl("Owlv2ForObjectDetection", "owlv2"),
}
