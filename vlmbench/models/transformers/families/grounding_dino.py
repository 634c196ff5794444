"""The families of Grounding DINO and MM-Grounding DINO, which find boxes for the phrases of a caption."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from vlmbench.models.base import Model
from vlmbench.models.transformers.family import Family, Parts
from vlmbench.models.transformers.grounded.grounding_dino import TOP, GroundingDinoDetector, label_tokens
from vlmbench.models.transformers.heads import HeadModel


def _model(family: Family, parts: Parts, *, clip: bool) -> Model:
    options = parts.card.options
    most = options.get("labels_at_once")
    in_caption = "as many labels as fit" if most is None else f"at most {most} labels"
    return HeadModel(
        parts,
        {
            "Detector": partial(GroundingDinoDetector, clip=clip, most=most),
            "TokenReader": lambda parts: label_tokens(parts).reader(),
        },
        texts=f"captions 'label. label.' in lower case, {in_caption} in {parts.network.config.max_text_len} tokens; "
        f"score=mean of a label's tokens; top_k={options.get('top_k', TOP)}; clip={clip}",
        libraries=("timm",) if parts.network.config.backbone_config.model_type == "timm_backbone" else (),
    )


def _family(network: str, *, clip: bool) -> Family:
    return Family(
        model=partial(_model, clip=clip),
        network=network,
        any_image_size=True,
        options=frozenset({"top_k", "labels_at_once"}),
    )


FAMILIES: Mapping[str, Family] = {
    # demo/test_ap_on_coco.py keeps boxes that extend beyond the image; mmdetection's GroundingDINOHead clips them.
    "grounding-dino": _family("GroundingDinoForObjectDetection", clip=False),
    "mm-grounding-dino": _family("MMGroundingDinoForObjectDetection", clip=True),
}
