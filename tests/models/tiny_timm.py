"""Small seeded image towers of timm as open_clip holds them: real code paths, a few thousand weights each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from open_clip.timm_model import TimmModel
from timm.layers import LayerNorm, Mlp
from timm.layers.hybrid_embed import HybridEmbed
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.fastvit import FastVit
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import ConvStem
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from timm.models.vitamin import GeGluMlp, MbConvStages, VitCfg, VitConvCfg
from torch import Tensor, nn

DIM = 12
"""The size of the space of the texts."""
VIT = {"img_size": (32, 24), "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
EVA02 = {
    **VIT,
    "num_classes": DIM,
    "global_pool": "token",
    "qkv_fused": False,
    "swiglu_mlp": True,
    "scale_mlp": True,
    "scale_attn_inner": True,
    "use_rot_pos_emb": True,
    "ref_feat_shape": (5, 5),
}
PE = {
    **VIT,
    "global_pool": "map",
    "attn_type": "rope",
    "use_pre_transformer_norm": True,
    "use_rot_pos_emb": True,
    "ref_feat_shape": (4, 4),
    "rope_grid_offset": 1.0,
    "rope_grid_indexing": "xy",
    "attn_pool_num_heads": 4,
    "attn_pool_mlp_ratio": 2.0,
    "norm_layer": partial(LayerNorm, eps=1e-5),
}
CONVNEXT = {"depths": (1, 1, 1, 1), "dims": (4, 8, 8, 16), "num_classes": 0}
SWIN = {"img_size": 56, "patch_size": 4, "embed_dim": 8, "depths": (2, 2), "num_heads": (2, 4), "num_classes": 0}


def _conv_stem() -> ConvStem:
    return ConvStem(channels=(4, 8, 16), stride=(2, 2, 2), kernel_size=2, padding=0, act_layer=nn.GELU)


def _vitamin() -> VisionTransformer:
    cfg = VitCfg(
        embed_dim=(4, 8, 16),
        depths=(1, 1, 1),
        stem_width=4,
        conv_cfg=VitConvCfg(norm_layer="layernorm2d", norm_eps=1e-6),
        head_type="1d",
    )
    embed = partial(HybridEmbed, backbone=MbConvStages(cfg), proj=False)
    how = {"class_token": False, "global_pool": "avg", "mlp_layer": GeGluMlp, "mlp_ratio": 2.0}
    sizes = {"img_size": (48, 32), "patch_size": 1, "embed_dim": 16, "depth": 2, "num_heads": 2}
    return VisionTransformer(**sizes, **how, num_classes=0, embed_layer=embed)


def _fastvit(**changes: Any) -> FastVit:
    how = {
        "layers": (1, 1, 1, 1),
        "embed_dims": (4, 8, 8, 32),
        "mlp_ratios": (2, 2, 2, 2),
        "token_mixers": ("repmixer", "repmixer", "repmixer", "attention"),
        "se_downsamples": (False, False, True, True),
        "num_classes": DIM,
    }
    return FastVit(**{**how, **changes})


CLASS_TOKEN: Mapping[str, Callable[[], nn.Module]] = {
    "eva01": lambda: Eva(**VIT, num_classes=DIM, global_pool="token"),
    "eva02": lambda: Eva(**EVA02),
    "eva02-fused-half": lambda: Eva(
        **{**EVA02, "qkv_fused": True, "rope_rotate_half": True, "init_values": 0.3, "qk_norm": True}
    ),
    "eva-rope-attention": lambda: Eva(**{**EVA02, "attn_type": "rope", "rope_grid_offset": 1.0, "init_values": 0.3}),
    "eva-post-norm": lambda: Eva(**VIT, num_classes=DIM, global_pool="token", use_post_norm=True),
    "eva-any-size": lambda: Eva(**{**EVA02, "dynamic_img_size": True}),
    "clip": lambda: VisionTransformer(**VIT, num_classes=DIM, pre_norm=True),
    "layer-scale": lambda: VisionTransformer(
        **VIT, num_classes=DIM, init_values=0.3, qk_norm=True, scale_attn_norm=True, scale_mlp_norm=True
    ),
    "mobileclip-b": lambda: VisionTransformer(
        **{**VIT, "patch_size": 1},
        num_classes=DIM,
        no_embed_class=True,
        embed_layer=partial(HybridEmbed, backbone=_conv_stem(), proj=False),
    ),
}
"""Towers with a class token; patches of 8."""

RELATIVE: Mapping[str, Callable[[], nn.Module]] = {
    "relpos": lambda: VisionTransformerRelPos(
        **VIT, num_classes=DIM, class_token=True, global_pool="token", rel_pos_dim=8, init_values=0.3, qk_norm=True
    ),
    "relpos-shared": lambda: VisionTransformerRelPos(
        **VIT, num_classes=DIM, class_token=True, global_pool="token", rel_pos_dim=8, shared_rel_pos=True
    ),
}

ATTENTION_POOL: Mapping[str, Callable[[], nn.Module]] = {
    "siglip": lambda: VisionTransformer(**VIT, num_classes=0, class_token=False, global_pool="map"),
    "siglip-head": lambda: VisionTransformer(
        **VIT, num_classes=DIM, class_token=False, global_pool="map", fc_norm=True, reg_tokens=2
    ),
    "pe": lambda: Eva(**PE, num_classes=DIM),
    "pe-no-class-token": lambda: Eva(**PE, num_classes=DIM, class_token=False),
}
"""Towers that pool by attention; patches of 8."""

EXACT_MEAN: Mapping[str, Callable[[], nn.Module]] = {
    "gap": lambda: VisionTransformer(**VIT, num_classes=0, class_token=False, global_pool="avg", fc_norm=False),
    "gap-class-token": lambda: VisionTransformer(**VIT, num_classes=DIM, global_pool="avg", fc_norm=False),
    "fastvit": _fastvit,
    "fastvit-5": lambda: _fastvit(
        layers=(1, 1, 1, 1, 1),
        embed_dims=(4, 8, 8, 32, 32),
        mlp_ratios=(2,) * 5,
        token_mixers=("repmixer",) * 3 + ("attention",) * 2,
        downsamples=(False, True, True, True, True),
        se_downsamples=(False,) * 5,
        pos_embs=(None,) * 5,
    ),
    "swin": lambda: SwinTransformer(**SWIN, window_size=7),
    "convnext-norm-first": lambda: ConvNeXt(**{**CONVNEXT, "num_classes": DIM}, head_norm_first=True),
}
"""Towers that pool by the mean, with nothing but linear layers after it."""

OTHER_MEAN: Mapping[str, Callable[[], nn.Module]] = {
    "gap-norm-after": lambda: VisionTransformer(**VIT, num_classes=0, class_token=False, global_pool="avg"),
    "vitamin": _vitamin,
    "convnext": lambda: ConvNeXt(**CONVNEXT),
    "convnext-hidden": lambda: ConvNeXt(**{**CONVNEXT, "num_classes": DIM}, head_hidden_size=6),
    "eva-gap": lambda: Eva(**VIT, num_classes=0, global_pool="avg"),
}
"""Towers that pool by the mean and normalise after it."""

TRUNKS = {**CLASS_TOKEN, **RELATIVE, **ATTENTION_POOL, **EXACT_MEAN, **OTHER_MEAN}


def held(trunk: Any, head: str = "") -> Any:
    """The tower in open_clip's ``TimmModel``, in float64 and evaluation mode, every weight moved.

    Args:
        head: "linear", "mlp" or "", as ``timm_proj`` of open_clip's configurations.
    """
    visual = TimmModel.__new__(TimmModel)
    nn.Module.__init__(visual)
    visual.trunk = trunk
    parts: dict[str, nn.Module] = {}
    if head == "linear":
        parts = {"drop": nn.Dropout(0.0), "proj": nn.Linear(trunk.num_features, DIM, bias=False)}
    if head == "mlp":
        parts = {"mlp": Mlp(trunk.num_features, 2 * DIM, DIM, bias=(True, False))}
    visual.head = nn.Sequential()
    for name, part in parts.items():
        visual.head.add_module(name, part)
    visual = visual.double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for parameter in visual.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    for module in visual.modules():
        if isinstance(module, nn.BatchNorm2d):
            mean, variance = module.running_mean, module.running_var
            assert mean is not None and variance is not None
            mean.add_(0.1 * torch.randn(mean.shape, generator=generator, dtype=torch.float64))
            variance.mul_(1.5)
    return visual


def tiny_timm(name: str, head: str | None = None) -> Any:
    """A tower of :data:`TRUNKS` as :func:`held`. By default it has a linear head, unless the trunk has its own."""
    torch.manual_seed(0)
    trunk = TRUNKS[name]()
    return held(trunk, ("" if trunk.num_classes else "linear") if head is None else head)


def pixels(height: int, width: int, batch: int = 2) -> Tensor:
    """Seeded images (B, 3, H, W) in float64."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 3, height, width, generator=generator, dtype=torch.float64)
