"""Patch features of CLIP's copies and of SigLIP in transformers: the library's own layers and pool, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import PIL.Image
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vlmbench.models.base import DenseEncoder
from vlmbench.models.towers.patch_readouts import READOUTS, PatchEncoder
from vlmbench.models.towers.pooled_patches import PooledPatchEncoder

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from vlmbench.models.transformers.patches import dense_encoder  # noqa: E402  (after the skip)

WIDTHS = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
TEXT = {**WIDTHS, "num_hidden_layers": 1, "vocab_size": 8}
VISION = {**WIDTHS, "num_hidden_layers": 2, "image_size": 32, "patch_size": 16}
EOS = {"eos_token_id": 7, "bos_token_id": 6}


def metaclip_2() -> Any:
    config = transformers.MetaClip2Config(text_config={**TEXT, **EOS}, vision_config=VISION, projection_dim=24)
    return transformers.MetaClip2Model(config)


def altclip() -> Any:
    text = {**TEXT, "project_dim": 24, "max_position_embeddings": 16}
    config = transformers.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    return transformers.AltCLIPModel(config)


def chinese_clip() -> Any:
    config = transformers.ChineseCLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=24)
    return transformers.ChineseCLIPModel(config)


def clip() -> Any:
    config = transformers.CLIPConfig(text_config={**TEXT, **EOS}, vision_config=VISION, projection_dim=24)
    return transformers.CLIPModel(config)


def siglip() -> Any:
    return transformers.SiglipModel(transformers.SiglipConfig(text_config=TEXT, vision_config=VISION))


COPIES: Mapping[str, Callable[[], Any]] = {
    "metaclip_2": metaclip_2,
    "altclip": altclip,
    "chinese_clip": chinese_clip,
}


def shaken(make: Callable[[], Any]) -> Any:
    """A network in float64 with every parameter moved: norms start as 1 and biases as 0."""
    torch.manual_seed(0)
    network = make().double().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, dtype=parameter.dtype))
    return network


def processor(name: str = "CLIPImageProcessor") -> Any:
    how = {"size": {"height": 32, "width": 32}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    return getattr(transformers, name)(**how)


def pixels(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
@pytest.mark.parametrize("name", COPIES)
def test_plain_patches_of_copies_are_the_librarys_tokens(name, size):
    network = shaken(COPIES[name])
    dense = dense_encoder("model", network, processor())
    assert type(dense) is PatchEncoder and dense.readouts == tuple(READOUTS) and dense.patch_size == 16
    output = network.vision_model(pixel_values=pixels(*size), interpolate_pos_encoding=True)
    tokens = network.vision_model.post_layernorm(output.last_hidden_state[:, 1:])
    expected = normalize(network.visual_projection(tokens), dim=-1)
    ours = dense.encode_patches(pixels(*size), "plain")
    torch.testing.assert_close(ours.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", COPIES)
def test_every_readout_is_that_of_clip_with_the_same_weights(name):
    """A copy has CLIP's parameters under CLIP's names."""
    network, other = shaken(COPIES[name]), shaken(clip)
    other.vision_model.load_state_dict(network.vision_model.state_dict())
    other.visual_projection.load_state_dict(network.visual_projection.state_dict())
    for config in (network.config.vision_config, other.config.vision_config):
        assert config.hidden_act == "quick_gelu"
    ours, theirs = dense_encoder("model", network, processor()), dense_encoder("model", other, processor())
    assert ours is not None and theirs is not None
    for readout in READOUTS:
        expected = theirs.encode_patches(pixels(48, 32), readout)
        torch.testing.assert_close(ours.encode_patches(pixels(48, 32), readout), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
def test_siglips_patches_are_its_heads_answers_to_one_patch(size):
    network = shaken(siglip)
    dense = dense_encoder("model", network, processor("SiglipImageProcessor"))
    assert type(dense) is PooledPatchEncoder and dense.readouts == ("maskclip",) and dense.patch_size == 16
    vision = network.vision_model
    tokens = vision(pixel_values=pixels(*size), interpolate_pos_encoding=True).last_hidden_state
    expected = torch.stack([vision.head(tokens[:, [place]]) for place in range(tokens.shape[1])], dim=1)
    torch.testing.assert_close(dense.patch_features(pixels(*size)), expected, rtol=0, atol=1e-6)
    before = vision(pixel_values=pixels(32, 32)).pooler_output
    dense.encode_patches(pixels(*size), "maskclip")
    assert torch.equal(vision(pixel_values=pixels(32, 32)).pooler_output, before)


def test_autocast_leaves_siglips_residual_stream_as_the_library_does():
    network = shaken(siglip).float()
    dense = dense_encoder("model", network, processor("SiglipImageProcessor"))
    assert dense is not None
    seen: list[torch.dtype] = []
    network.vision_model.encoder.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    images = pixels(32, 32).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network.get_image_features(images)
        dense.encode_patches(images, "maskclip")
    assert seen == [torch.float32, torch.float32]


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
def test_siglip_is_the_same_through_open_clip(size):
    """The same weights in timm's tower, which open_clip holds, give the same patches."""
    from models.tiny_timm import held
    from timm.models.vision_transformer import VisionTransformer

    from vlmbench.models.open_clip.dense.encoder import tower_encoder

    network = shaken(siglip)
    trunk = VisionTransformer(
        img_size=32, patch_size=16, embed_dim=32, depth=2, num_heads=2, mlp_ratio=2.0, class_token=False,
        global_pool="map", num_classes=0, act_layer="gelu_tanh",
    )  # fmt: skip
    visual = held(trunk)
    visual.trunk.load_state_dict(timm_names(network.vision_model.state_dict()))
    theirs = tower_encoder("model", visual, lambda image: image)
    ours = dense_encoder("model", network, processor("SiglipImageProcessor"))
    assert theirs is not None and ours is not None
    torch.testing.assert_close(visual(pixels(32, 32)), network.get_image_features(pixels(32, 32)).pooler_output)
    found, expected = (each.encode_patches(pixels(*size), "maskclip") for each in (ours, theirs))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SigLIP's weights of transformers under timm's names."""
    renamed = {}
    for name, value in state.items():
        for old, new in (
            ("embeddings.patch_embedding", "patch_embed.proj"),
            ("embeddings.position_embedding.weight", "pos_embed"),
            ("encoder.layers", "blocks"),
            ("self_attn.out_proj", "attn.proj"),
            ("layer_norm", "norm"),
            ("post_layernorm", "norm"),
            ("head.attention.out_proj", "attn_pool.proj"),
            ("head.probe", "attn_pool.latent"),
            ("head.layernorm", "attn_pool.norm"),
            ("head.mlp", "attn_pool.mlp"),
        ):
            name = name.replace(old, new)
        renamed[name] = value
    renamed["pos_embed"] = renamed["pos_embed"][None]
    for part in ("weight", "bias"):
        packed = renamed.pop(f"head.attention.in_proj_{part}")
        renamed[f"attn_pool.q.{part}"], renamed[f"attn_pool.kv.{part}"] = packed[:32], packed[32:]
        for block in ("blocks.0", "blocks.1"):
            parts = [renamed.pop(f"{block}.self_attn.{letter}_proj.{part}") for letter in "qkv"]
            renamed[f"{block}.attn.qkv.{part}"] = torch.cat(parts)
    return renamed


@pytest.mark.parametrize(
    ("make", "name"),
    [(siglip, "SiglipImageProcessor"), (chinese_clip, "ChineseCLIPImageProcessor"), (altclip, "CLIPImageProcessor")],
)
def test_normalise_is_the_processor_without_resizing(make, name):
    dense = dense_encoder("model", make().eval(), processor(name))
    assert isinstance(dense, DenseEncoder)
    white = dense.normalise(PIL.Image.new("L", (5, 3), 255))
    assert white.shape == (3, 3, 5) and white.dtype == torch.float32
    torch.testing.assert_close(white[:, 0, 0], torch.tensor([0.6 / 0.2, 0.5 / 0.3, 0.4 / 0.4]))


def test_other_parts_are_not_understood():
    for make, name in [*((each, "CLIPImageProcessor") for each in COPIES.values()), (siglip, "SiglipImageProcessor")]:
        network = make().eval()
        vision = network.vision_model
        assert dense_encoder("model", network, object()) is None
        for part in (network, vision, vision.embeddings, vision.encoder):
            known = type(part)
            part.__class__ = type("Other", (known,), {})
            assert dense_encoder("model", network, processor(name)) is None, (make, known)
            part.__class__ = known
        assert dense_encoder("model", network, processor(name)) is not None
    headless = transformers.SiglipConfig(text_config=TEXT, vision_config={**VISION, "vision_use_head": False})
    assert dense_encoder("model", transformers.SiglipModel(headless), processor("SiglipImageProcessor")) is None
