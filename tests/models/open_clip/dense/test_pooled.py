"""Patch features of towers that pool all places alike: the library's own pools, given one place at a time."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from models.tiny_timm import ATTENTION_POOL, EXACT_MEAN, OTHER_MEAN, TRUNKS, pixels, tiny_timm
from open_clip.transformer import VisionTransformer
from torch import Tensor
from torch.nn.functional import normalize

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models.base import DenseEncoder, capability
from vlmbench.models.open_clip.dense.encoder import tower_encoder
from vlmbench.models.towers.patch_readouts import stretched_patches
from vlmbench.models.towers.pooled_patches import PooledPatchEncoder
from vlmbench.testing import check_model

POOLED = [*ATTENTION_POOL, *EXACT_MEAN, *OTHER_MEAN]
TRAINED = {"vitamin": (48, 32), "swin": (56, 56)}
"""The image size of towers of one size, if it is not that of ``VIT``."""


def encoder(visual: Any) -> PooledPatchEncoder:
    found = tower_encoder("model", visual, lambda image: image)
    assert type(found) is PooledPatchEncoder
    return found


def trained_size(name: str, patch: int) -> tuple[int, int]:
    return TRAINED.get(name, (2 * patch, 3 * patch) if patch > 16 else (32, 24))


def resized(visual: Any, size: tuple[int, int]) -> Any:
    """A copy that timm itself set to the image size, with positional embeddings stretched as CLIP's are."""
    other = copy.deepcopy(visual)
    trunk = other.trunk
    if not hasattr(trunk, "set_input_size"):
        return other
    old = trunk.patch_embed.grid_size
    if type(trunk).__name__ == "SwinTransformer":
        trunk.set_input_size(size, window_size=[block.window_size for block in (s.blocks[0] for s in trunk.layers)])
        return other
    trunk.set_input_size(size)
    known = 0 if trunk.no_embed_class else trunk.num_prefix_tokens
    given = visual.trunk.pos_embed[0]
    patches = stretched_patches(given[known:], old, trunk.patch_embed.grid_size, 0.0)
    trunk.pos_embed.data = torch.cat([given[:known], patches])[None]
    return other


def places(trunk: Any, x: Tensor) -> list[Tensor]:
    """The inputs of the trunk's head, each as if its place were the only one of the image."""
    if x.ndim == 3:
        first = trunk.num_prefix_tokens
        by_attention = trunk.attn_pool is not None
        # Pools of attention see whatever they are given; pools of the mean drop class tokens and registers.
        kept = [] if by_attention else [x[:, :first]]
        return [torch.cat([*kept, x[:, [place]]], dim=1) for place in range(first, x.shape[1])]
    if type(trunk).__name__ == "SwinTransformer":
        return [x[:, i : i + 1, j : j + 1] for i in range(x.shape[1]) for j in range(x.shape[2])]
    return [x[:, :, i : i + 1, j : j + 1] for i in range(x.shape[2]) for j in range(x.shape[3])]


def literal(visual: Any, images: Tensor) -> Tensor:
    """(B, h*w, D): the library's own tower of the image's size, then its own head on one place at a time."""
    other = resized(visual, tuple(images.shape[2:]))
    trunk = other.trunk
    last = trunk.forward_features(images)
    if getattr(trunk, "attn_pool", None) is not None:
        alone = [trunk.attn_pool(place) for place in places(trunk, last)]
        return torch.stack([other.head(trunk.head(trunk.fc_norm(each))) for each in alone], dim=1)
    return torch.stack([other.head(trunk.forward_head(place)) for place in places(trunk, last)], dim=1)


@pytest.mark.parametrize("larger", [False, True])
@pytest.mark.parametrize("name", POOLED)
def test_a_patch_is_what_the_pool_makes_of_it_alone(name, larger):
    visual = tiny_timm(name)
    dense = encoder(visual)
    patch = dense.patch_size
    size = trained_size(name, patch)
    if larger:
        size = (size[0] + patch, max(size[1] - patch, patch)) if name != "swin" else (64, 80)
    images = pixels(*size)
    expected = literal(visual, images)
    grid = (size[0] // patch, size[1] // patch)
    torch.testing.assert_close(dense.patch_features(images), expected, rtol=0, atol=1e-6)
    found = dense.encode_patches(images, dense.readouts[0])
    torch.testing.assert_close(found, normalize(expected, dim=-1).transpose(1, 2).unflatten(2, grid), rtol=0, atol=1e-6)


def test_readouts_and_strides():
    encoders = {name: encoder(tiny_timm(name)) for name in POOLED}
    found = {name: (dense.readouts, dense.patch_size) for name, dense in encoders.items()}
    assert {name: readouts for name, (readouts, _) in found.items()} == {
        name: ("maskclip",) if name in ATTENTION_POOL else ("plain",) for name in POOLED
    }
    strides = {"fastvit": 32, "fastvit-5": 64, "convnext": 32, "convnext-hidden": 32, "convnext-norm-first": 32}
    strides |= {"swin": 8, "vitamin": 16}
    assert {name: stride for name, (_, stride) in found.items()} == {name: strides.get(name, 8) for name in POOLED}


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("name", [*EXACT_MEAN, *OTHER_MEAN])
def test_the_mean_of_patches_is_the_images_feature_after_linear_pools(name, head):
    """Only if nothing but linear layers follow the pool; and elsewhere it is not, so the docs must tell so."""
    visual = tiny_timm(name, head if TRUNKS[name]().num_classes == 0 else None)
    dense = encoder(visual)
    images = pixels(*trained_size(name, dense.patch_size))
    apart = (dense.patch_features(images).mean(dim=1) - visual(images)).abs().max()
    exact = name in EXACT_MEAN and "mlp" not in dict(visual.head.named_children())
    assert apart < 1e-12 if exact else apart > 1e-4


@pytest.mark.parametrize("name", POOLED)
def test_images_do_not_see_each_other_and_towers_are_left_alone(name):
    visual = tiny_timm(name)
    dense = encoder(visual)
    images = pixels(*trained_size(name, dense.patch_size), batch=3)
    before, state = visual(images), {key: value.clone() for key, value in visual.state_dict().items()}
    together = dense.encode_patches(images, dense.readouts[0])
    alone = torch.cat([dense.encode_patches(image[None], dense.readouts[0]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(together.norm(dim=1), torch.ones_like(together[:, 0]))
    dense.encode_patches(pixels(2 * dense.patch_size, 5 * dense.patch_size), dense.readouts[0])
    assert torch.equal(visual(images), before)
    assert all(torch.equal(value, state[key]) for key, value in visual.state_dict().items())


@pytest.mark.parametrize(
    "name", ["eva02", "mobileclip-b", "relpos", "siglip", "pe", "gap", "convnext", "swin", "vitamin"]
)
def test_nothing_is_made_on_another_device(name):
    """Torch's meta device stands for any other: an operation that mixes it with the CPU's tensors fails."""
    visual = tiny_timm(name).to("meta")
    dense = tower_encoder("model", visual, lambda image: image)
    assert dense is not None
    size = (4 * dense.patch_size, 3 * dense.patch_size)
    for readout in dense.readouts:
        found = dense.encode_patches(torch.zeros(2, 3, *size, device="meta", dtype=torch.float64), readout)
        assert found.device.type == "meta" and found.shape[2:] == (4, 3)


@pytest.mark.parametrize("name", ["siglip", "convnext", "swin", "vitamin"])
def test_what_cannot_be_is_told(name):
    dense = encoder(tiny_timm(name))
    patch = dense.patch_size
    for height, width in ((patch, patch + 1), (patch - 1, patch), (0, patch)):
        with pytest.raises(ModelError, match=rf"'model'.*{height} by {width}.*patches of {patch}[^0-9]"):
            dense.encode_patches(torch.zeros(1, 3, height, width), dense.readouts[0])
    with pytest.raises(UnknownNameError, match="no readout 'clearclip'"):
        dense.encode_patches(torch.zeros(1, 3, patch, patch), "clearclip")


def test_other_pools_are_not_understood():
    """A maximum is no mean, and a pool with positions of its own takes one grid only."""
    for name, part, value in (
        ("gap", "global_pool", "max"),
        ("gap", "pool_include_prefix", True),
        ("siglip", "attn_pool.pos_embed", torch.nn.Parameter(torch.zeros(12, 16))),
        ("siglip", "attn_pool.pool", ""),
        ("convnext", "head.global_pool.pool_type", "max"),
        ("swin", "layers.0.blocks.0.always_partition", True),
    ):
        visual = tiny_timm(name)
        owner, _, attribute = part.rpartition(".")
        holder = visual.trunk.get_submodule(owner)
        setattr(holder, attribute, value)
        assert tower_encoder("model", visual, lambda image: image) is None, part
    for name in ("convnext", "fastvit", "swin", "siglip"):
        visual = tiny_timm(name)
        visual.trunk.__class__ = type("Other", (type(visual.trunk),), {})
        assert tower_encoder("model", visual, lambda image: image) is None, name


def coca(pool: bool | str, pool_type: str = "tok") -> Any:
    torch.manual_seed(0)
    visual: Any = VisionTransformer(
        image_size=32,
        patch_size=16,
        width=24,
        layers=2,
        heads=2,
        mlp_ratio=2.0,
        output_dim=24,
        attentional_pool=pool,
        attn_pooler_queries=5,
        attn_pooler_heads=2,
        pool_type=pool_type,
    )
    visual = visual.double().eval().requires_grad_(False)
    for parameter in visual.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape, dtype=torch.float64))
    return visual


@pytest.mark.parametrize("pool_type", ["tok", "avg"])
@pytest.mark.parametrize("size", [(32, 32), (48, 16)])
def test_coca_patches_are_its_poolers_answers_to_one_patch(pool_type, size):
    visual = coca(True, pool_type)
    dense = encoder(visual)
    assert dense.readouts == ("maskclip",) and dense.patch_size == 16
    other = copy.deepcopy(visual)
    grid = (size[0] // 16, size[1] // 16)
    positions = visual.positional_embedding
    other.positional_embedding.data = torch.cat([positions[:1], stretched_patches(positions[1:], (2, 2), grid, 0.0)])
    tokens = other.transformer(other._embeds(pixels(*size)))
    alone = [other._pool(tokens[:, [1 + place]])[0] @ other.proj for place in range(grid[0] * grid[1])]
    torch.testing.assert_close(dense.patch_features(pixels(*size)), torch.stack(alone, dim=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("pool", ["parallel", "cascade"])
def test_open_clips_unfinished_pools_have_no_feature(pool):
    visual = coca(pool)
    assert visual(pixels(32, 32)).ndim == 3
    assert tower_encoder("model", visual, lambda image: image) is None


@pytest.mark.parametrize("name", TRUNKS)
def test_autocast_changes_little(name):
    """In bfloat16, with norms in float32 between, every product gets numbers of one type."""
    visual = tiny_timm(name).float()
    dense = tower_encoder("model", visual, lambda image: image)
    assert dense is not None
    size = (3 * dense.patch_size, 2 * dense.patch_size)
    for readout in dense.readouts:
        exact = dense.encode_patches(pixels(*size).float(), readout)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = dense.encode_patches(pixels(*size).float(), readout)
        assert (exact * normalize(rounded.float(), dim=1)).sum(dim=1).min() > 0.97


@pytest.mark.parametrize("name", ["eva02", "clip", "mobileclip-b", "relpos", "siglip-head", "pe", "gap", "vitamin"])
def test_autocast_leaves_the_residual_stream_as_timm_does(name):
    """timm sums the states between blocks in the precision of the weights; rounded sums lose more with every block."""
    visual = tiny_timm(name).float()
    dense = tower_encoder("model", visual, lambda image: image)
    assert dense is not None
    images = pixels(*TRAINED.get(name, (32, 24))).float()
    seen: list[torch.dtype] = []
    visual.trunk.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    visual.trunk.blocks[0].norm1.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        visual(images)
        dense.encode_patches(images, dense.readouts[-1])
    assert len(seen) >= 3 and set(seen) == {torch.float32}


def test_a_loaded_coca_keeps_every_promise(open_model):
    """A CoCa network with the colours of its own transform, through the adapter."""
    model = open_model("tiny-coca", random_seed=3)
    dense = capability(model, DenseEncoder)
    assert type(dense) is PooledPatchEncoder and dense.readouts == ("maskclip",)
    images = torch.randn(2, 3, 32, 48)
    assert dense.encode_patches(images, "maskclip").shape == (2, model.embedding_dim, 2, 3)
    check_model(model)
