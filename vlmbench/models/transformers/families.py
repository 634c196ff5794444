"""Families of transformers checkpoints: what differs from one to the next, one entry each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from vlmbench.models.transformers.owl import OwlDetector
from vlmbench.models.transformers.segmenters import ClipSegSegmenter, GroupVitSegmenter

if TYPE_CHECKING:
    from vlmbench.models.transformers.adapter import TransformersModel

TextEnd = Literal["eos", "eos unless 2", "highest id"]
"""Where a causal text tower pools: at the first end-of-text token of its config, or at the token of the highest id.
``eos unless 2``: the end-of-text id 2 of old CLIP configs is wrong, and the library then takes the highest id."""


@dataclass(frozen=True)
class Family:
    """How one family of checkpoints is called.

    Attributes:
        padding: how texts are padded: to the batch's longest, or always to the full length.
        attention_mask: whether the text tower is told of the padding.
        text_end: where a causal text tower pools, so that what follows cannot matter; None: it is not causal.
        lowercase: the family was trained on lower-case text; a tokenizer that keeps case earns a note.
        context_length: where texts are cut; None: at the last of the config's positions.
        network: the transformers class that has the family's heads.
        towers: the attribute under which that class keeps the two towers; empty: it is them.
        no_image_features: why images have no feature of their own, in a half-sentence; empty: they have.
        capabilities: by protocol, what makes it of a model that has the heads.
    """

    padding: Literal["longest", "max_length"]
    attention_mask: bool
    text_end: TextEnd | None = None
    lowercase: bool = False
    context_length: int | None = None
    network: str = "AutoModel"
    towers: str = ""
    no_image_features: str = ""
    capabilities: Mapping[str, Callable[[TransformersModel], object]] = field(default_factory=dict)


CLIP = Family(padding="longest", attention_mask=True, text_end="eos unless 2")


def _bert(context_length: int) -> Family:
    """A text tower that sees all of a text at once and none of its padding, cut where the family's authors cut."""
    return Family(padding="longest", attention_mask=True, context_length=context_length)


def _owl(network: str, towers: str) -> Family:
    # The detectors were trained without a projection of whole images: convert_owlv2_to_hf.py asserts that the library's
    # is the one weight that the original lacks, and OWL-ViT's backbone is the same. Published ones hold random numbers.
    return replace(
        CLIP,
        text_end="highest id",
        network=network,
        towers=towers,
        no_image_features="the family's checkpoints come with an untrained projection of whole images",
        capabilities={"Detector": OwlDetector},
    )


FAMILIES: Mapping[str, Family] = {
    # model_type of the checkpoint's config.json: each calls its features get_image_features and get_text_features.
    "clip": CLIP,
    # Trained on full-length texts without a mask (transformers docs, model_doc/siglip); so is fixed-size SigLIP 2.
    "siglip": Family(padding="max_length", attention_mask=False, lowercase=True),
    "metaclip_2": replace(CLIP, text_end="eos"),
    "align": _bert(64),  # AlignProcessor's max_length
    "altclip": _bert(77),  # the length of CLIP's texts, which its tower was taught from
    "chinese_clip": _bert(52),  # the authors' cn_clip.clip.tokenize
    "flava": _bert(77),  # model_doc/flava
    "clipseg": replace(
        CLIP, network="CLIPSegForImageSegmentation", towers="clip", capabilities={"Segmenter": ClipSegSegmenter}
    ),
    "groupvit": replace(CLIP, capabilities={"Segmenter": GroupVitSegmenter}),
    "owlvit": _owl("OwlViTForObjectDetection", "owlvit"),
    "owlv2": _owl("Owlv2ForObjectDetection", "owlv2"),
}
