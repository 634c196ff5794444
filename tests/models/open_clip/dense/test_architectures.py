"""Every architecture of open_clip has patch features: its own configuration on the meta device, with few blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import open_clip
import pytest
import timm
import torch
from open_clip import timm_model
from open_clip.factory import get_model_config
from open_clip.model import _build_vision_tower
from timm.layers import weight_init

from vlmbench.models.open_clip.dense.encoder import tower_encoder
from vlmbench.models.towers.patch_readouts import READOUTS

WITHOUT: Mapping[str, str] = {}
"""Architectures without patch features, each with the reason."""

CREATE = timm.create_model
KINDS = {
    "VisionTransformerTower": tuple(READOUTS),
    "ClassTokenTower": tuple(READOUTS),
    "RelativePositionTower": tuple(READOUTS),
    "ResNetPatchEncoder": ("maskclip", "plain"),
    "AttentionPoolTower": ("maskclip",),
    "CocaTower": ("maskclip",),
    "MeanPoolTokens": ("plain",),
    "MeanPoolMap": ("plain",),
}

EXAMPLES = {
    "ViT-B-32": ("VisionTransformerTower", 32),
    "coca_roberta-ViT-B-32": ("VisionTransformerTower", 32),
    "coca_ViT-L-14": ("CocaTower", 14),
    "RN50": ("ResNetPatchEncoder", 32),
    "EVA01-g-14": ("ClassTokenTower", 14),
    "EVA02-E-14-plus": ("ClassTokenTower", 14),
    "MobileCLIP2-B": ("ClassTokenTower", 16),
    "MobileCLIP2-L-14": ("ClassTokenTower", 14),
    "vit_relpos_medium_patch16_cls_224": ("RelativePositionTower", 16),
    "ViT-SO400M-14-SigLIP-384": ("AttentionPoolTower", 14),
    "ViT-gopt-16-SigLIP2-384": ("AttentionPoolTower", 16),
    "PE-Core-bigG-14-448": ("AttentionPoolTower", 14),
    "nllb-clip-base-siglip": ("AttentionPoolTower", 16),
    "vit_medium_patch16_gap_256": ("MeanPoolTokens", 16),
    "ViTamin-L2-336": ("MeanPoolTokens", 16),
    "convnext_large_d": ("MeanPoolMap", 32),
    "swin_base_patch4_window7_224": ("MeanPoolMap", 32),
    "MobileCLIP-S2": ("MeanPoolMap", 32),
    "MobileCLIP2-S4": ("MeanPoolMap", 64),
}


def shallow(name: str, **options: Any) -> Any:
    """timm's own builder, with fewer blocks of each kind; what a block is stays."""
    if name.startswith("convnext"):
        fewer: dict[str, Any] = {"depths": (1, 1, 1, 1)}
    elif name.startswith("swin"):
        fewer = {"depths": (2, 2, 2, 2)}
    elif name.startswith("fastvit"):
        fewer = {"layers": (1,) * (5 if name.endswith(("3", "4")) else 4)}
    else:
        fewer = {"depth": 2}
    return CREATE(name, **options, **fewer)


@pytest.fixture(scope="module")
def encoders() -> Mapping[str, Any]:
    """The encoder of each architecture."""
    found: dict[str, Any] = {}
    built: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        patch.setattr(timm_model.timm, "create_model", shallow)
        patch.setattr(weight_init, "_trunc_normal_", lambda tensor, *_: tensor)  # half of the time, for no numbers
        for name in open_clip.list_models():
            config = get_model_config(name)
            assert config is not None
            vision = config["vision_cfg"]
            if "layers" in vision:
                vision["layers"] = 2 if isinstance(vision["layers"], int) else [1, 1, 1, 1]
            key = json.dumps([config["embed_dim"], vision, config.get("quick_gelu")])
            if key not in built:
                visual = _build_vision_tower(config["embed_dim"], vision, config.get("quick_gelu", False))
                built[key] = tower_encoder(name, visual.eval(), lambda image: image)
            found[name] = built[key]
    return found


def kind(encoder: Any) -> str:
    return type(getattr(encoder, "_tower", encoder)).__name__


def test_every_architecture_has_patch_features(encoders):
    own = [name for name in encoders if not name.startswith("tiny")]
    assert len(own) >= 144
    assert {name for name in own if encoders[name] is None} == set(WITHOUT)
    assert {kind(encoders[name]) for name in own} == set(KINDS)
    for name in own:
        assert encoders[name].readouts == KINDS[kind(encoders[name])], name
    assert {name: (kind(encoders[name]), encoders[name].patch_size) for name in EXAMPLES} == EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_strides_are_the_networks(name, encoders):
    """Images of two sizes give maps of a place for each patch, with the size of the space of the texts."""
    dense = encoders[name]
    config = get_model_config(name)
    assert config is not None
    for rows, columns in ((3, 2), (1, 5)):
        images = torch.zeros(1, 3, rows * dense.patch_size, columns * dense.patch_size, device="meta")
        found = dense.encode_patches(images, dense.readouts[0])
        assert found.shape == (1, config["embed_dim"], rows, columns)
