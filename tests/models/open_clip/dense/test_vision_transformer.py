"""Patch features of open_clip's towers against the papers' formulas and the library's own tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from models import literal_readouts
from open_clip.transform import PreprocessCfg
from torch import Tensor
from torch.nn.functional import multi_head_attention_forward, normalize

import vlmbench
from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models.base import DenseEncoder, capability
from vlmbench.models.open_clip.dense.encoder import dense_encoder
from vlmbench.models.towers.patch_readouts import READOUTS, neighbourhood

TRANSFORMERS = [
    "tiny",
    "tiny-custom",
    "tiny-vit",
    "tiny-vit-quickgelu",
    "tiny-vit-layer-scale",
    "tiny-vit-average",
    "tiny-vit-sin-cos",
    "tiny-vit-blocks",
    "tiny-vit-one-block",
    "tiny-vit-wide-image",
    "tiny-vit-epsilon",
]
NOT_UNDERSTOOD = ["tiny-vit-cosine", "tiny-vit-no-pool"]
LARGER = (48, 80)


def shaken(model: Any) -> Any:
    """Every parameter moved a little: norms start as 1 and biases as 0, and would hide that they are left out."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.network.visual.parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def dense_model(open_model: Callable[..., Any]) -> Callable[[str], Any]:
    return lambda architecture: shaken(open_model(architecture, random_seed=3))


def pixels(height: int, width: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


def patches(model: Any, images: Tensor, readout: str) -> Tensor:
    encoder = capability(model, DenseEncoder)
    assert encoder is not None
    with torch.inference_mode():
        return encoder.encode_patches(images, readout)


@pytest.mark.parametrize("architecture", TRANSFORMERS)
def test_readouts_are_the_papers(architecture, dense_model):
    model = dense_model(architecture)
    visual = model.network.visual
    trained = tuple(side * 16 for side in visual.grid_size)
    for size in (trained, LARGER):
        images = pixels(*size)
        for readout in READOUTS:
            with torch.inference_mode():
                expected = literal_readouts.open_clip_patches(visual, images, readout)
            assert expected.shape == (2, 24, size[0] // 16, size[1] // 16)
            torch.testing.assert_close(
                patches(model, images, readout), expected, rtol=0, atol=1e-5, msg=lambda m, r=readout: f"{r}: {m}"
            )


@pytest.mark.parametrize("architecture", TRANSFORMERS)
def test_readouts_differ_from_each_other(architecture, dense_model):
    model = dense_model(architecture)
    maps = [patches(model, pixels(*LARGER), readout) for readout in READOUTS]
    for one in range(len(maps)):
        for other in range(one):
            assert (maps[one] - maps[other]).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", TRANSFORMERS)
def test_plain_patches_are_the_librarys_tokens(architecture, dense_model):
    model = dense_model(architecture)
    visual = model.network.visual
    images = pixels(*(side * 16 for side in visual.grid_size))
    ours = patches(model, images, "plain")
    visual.output_tokens = True
    with torch.inference_mode():
        _, tokens = visual(images)
        # A tower that norms after pooling returns its tokens before the norm.
        tokens = visual.ln_post(tokens) if visual.final_ln_after_pool else tokens
        expected = normalize(tokens @ visual.proj, dim=-1)
    torch.testing.assert_close(ours.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["tiny-vit", "tiny-vit-blocks", "tiny-resnet"])
def test_images_do_not_see_each_other_and_features_have_unit_length(architecture, dense_model):
    model = dense_model(architecture)
    images = pixels(64, 96, batch=3)
    for readout in capability(model, DenseEncoder).readouts:
        together = patches(model, images, readout)
        alone = torch.cat([patches(model, images[row : row + 1], readout) for row in range(3)])
        torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(together.norm(dim=1), torch.ones_like(together[:, 0]))


@pytest.mark.parametrize("architecture", ["tiny-vit", "tiny-resnet"])
def test_image_features_are_left_alone(architecture, dense_model):
    model = dense_model(architecture)
    side = model.network.visual.image_size
    images = pixels(*((side, side) if isinstance(side, int) else side))
    state = {name: value.clone() for name, value in model.network.state_dict().items()}
    with torch.inference_mode():
        before = model.encode_image(images)
        for readout in capability(model, DenseEncoder).readouts:
            patches(model, images, readout)
            patches(model, pixels(96, 64), readout)
        assert torch.equal(model.encode_image(images), before)
    assert all(torch.equal(value, state[name]) for name, value in model.network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.network.modules())


@pytest.mark.parametrize("architecture", ["tiny-vit", "tiny-vit-blocks", "tiny-resnet"])
def test_autocast_changes_little(architecture, dense_model):
    model = dense_model(architecture)
    for readout in capability(model, DenseEncoder).readouts:
        exact = patches(model, pixels(64, 96), readout)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = patches(model, pixels(64, 96), readout)
        assert (exact * normalize(rounded.float(), dim=1)).sum(dim=1).min() > 0.99


@pytest.mark.parametrize("architecture", ["tiny-vit", "tiny-vit-blocks", "tiny-resnet"])
def test_nothing_is_made_on_another_device(architecture, open_model):
    """Torch's meta device stands for any other: an operation that mixes it with the CPU's tensors fails."""
    model = open_model(architecture, random_seed=3)
    model.network.to("meta")
    encoder = capability(model, DenseEncoder)
    for readout in encoder.readouts:
        found = encoder.encode_patches(torch.zeros(2, 3, 64, 96, device="meta"), readout)
        assert found.device.type == "meta" and found.shape[1] == 24


def test_the_class_token_takes_part(dense_model):
    """Another class token, other patches: its key is among those that the patches attend to."""
    model = dense_model("tiny-vit-one-block")
    images = pixels(*LARGER)
    before = {readout: patches(model, images, readout) for readout in READOUTS}
    model.network.visual.class_embedding.add_(torch.randn(64, generator=torch.Generator().manual_seed(2)))
    for readout in READOUTS:
        changed = not torch.equal(patches(model, images, readout), before[readout])
        assert changed == (readout != "maskclip"), readout


def test_neighbourhood_prefers_the_places_nearby():
    bias = neighbourhood((2, 3))
    assert bias.shape == (7, 7)
    assert torch.all(bias[0] == 0) and torch.all(bias[:, 0] == 0)
    torch.testing.assert_close(bias[1:, 1:].diagonal(), torch.ones(6))
    # From the upper left to the lower right: one down, two across.
    assert bias[1, 6].item() == pytest.approx(np.exp(-(1 + 4) / 50))


@pytest.mark.parametrize("architecture", NOT_UNDERSTOOD)
def test_other_towers_do_not_offer_patches(architecture, open_model):
    assert "DenseEncoder" not in open_model(architecture, random_seed=1).capabilities


def test_subclasses_do_not_offer_patches(open_model):
    """A subclass may do anything in its forward pass."""
    model = open_model("tiny-vit", random_seed=1)
    visual = model.network.visual
    assert dense_encoder("model", model.network, PreprocessCfg()) is not None
    for part in (model.network, visual, visual.transformer, visual.transformer.resblocks[-1]):
        known = type(part)
        part.__class__ = type("Other", (known,), {})
        assert dense_encoder("model", model.network, PreprocessCfg()) is None
        part.__class__ = known


def test_default_readout_is_the_first(dense_model):
    assert capability(dense_model("tiny-vit"), DenseEncoder).readouts == (
        "clearclip",
        "naclip",
        "sclip",
        "maskclip",
        "plain",
    )
    assert capability(dense_model("tiny-resnet"), DenseEncoder).readouts == ("maskclip", "plain")


@pytest.mark.parametrize(("architecture", "patch"), [("tiny-vit", 16), ("tiny-resnet", 32)])
def test_what_cannot_be_is_told(architecture, patch, dense_model):
    model = dense_model(architecture)
    encoder = capability(model, DenseEncoder)
    assert encoder.patch_size == patch
    for height, width in ((patch, patch + 1), (patch - 1, patch), (0, patch)):
        with pytest.raises(ModelError, match=rf"'model'.*{height} by {width}.*patches of {patch}[^0-9]") as told:
            encoder.encode_patches(torch.zeros(1, 3, height, width), "maskclip")
        assert str(patch) in told.value.hint
    with pytest.raises(UnknownNameError, match="no readout 'maskclop'") as told:
        encoder.encode_patches(pixels(patch, patch), "maskclop")
    assert "'maskclip'" in told.value.hint


def test_resnet_patches_are_the_attention_pools_values(dense_model):
    model = dense_model("tiny-resnet")
    visual = model.network.visual
    for size in ((64, 64), (96, 160)):
        images = pixels(*size)
        with torch.inference_mode():
            # The library's own stages; then the two projections at each place.
            last = visual.forward_intermediates(images, intermediates_only=True)["image_intermediates"][-1]
        ours = patches(model, images, "maskclip")
        assert ours.shape == (2, 24, size[0] // 32, size[1] // 32) and ours.shape[2:] == last.shape[2:]
        pool = visual.attnpool
        for image in range(2):
            for i in range(last.shape[2]):
                for j in range(last.shape[3]):
                    value = pool.v_proj.weight @ last[image, :, i, j] + pool.v_proj.bias
                    expected = pool.c_proj.weight @ value + pool.c_proj.bias
                    torch.testing.assert_close(ours[image, :, i, j], expected / expected.norm(), rtol=0, atol=1e-5)


def test_plain_resnet_patches_are_the_attention_pool_with_each_place_as_the_query(dense_model):
    model = dense_model("tiny-resnet")
    pool, images = model.network.visual.attnpool, pixels(64, 64)
    with torch.inference_mode():
        last = model.network.visual.forward_intermediates(images, intermediates_only=True)["image_intermediates"][-1]
        flat = last.flatten(2).permute(2, 0, 1)
        tokens = torch.cat([flat.mean(0, keepdim=True), flat]) + pool.positional_embedding[:, None]
        bias = torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias])
        expected, _ = multi_head_attention_forward(
            tokens, tokens, tokens, tokens.shape[-1], pool.num_heads, None, bias, None, None, False, 0.0,
            pool.c_proj.weight, pool.c_proj.bias, training=False, need_weights=False, use_separate_proj_weight=True,
            q_proj_weight=pool.q_proj.weight, k_proj_weight=pool.k_proj.weight, v_proj_weight=pool.v_proj.weight,
        )  # fmt: skip
        whole = model.encode_image(images)
    ours = patches(model, images, "plain").flatten(2).permute(2, 0, 1)
    torch.testing.assert_close(normalize(expected[0], dim=-1), whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours, normalize(expected[1:], dim=-1), rtol=0, atol=1e-5)
    assert patches(model, pixels(96, 160), "plain").shape == (2, 24, 3, 5)


def test_normalise_is_the_transform_without_resizing(open_model, odd_image):
    options = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    model = open_model("tiny-vit", random_seed=0, image_size=64, **options)
    encoder = capability(model, DenseEncoder)
    fitting = odd_image.resize((64, 64)) if odd_image.mode != "I;16" else odd_image.crop((0, 0, 44, 44))
    if fitting.size == (64, 64):
        assert torch.equal(encoder.normalise(fitting), model.preprocess(fitting))
    assert encoder.normalise(odd_image).shape == (3, odd_image.height, odd_image.width)
    white = encoder.normalise(PIL.Image.new("L", (5, 3), 255))
    torch.testing.assert_close(white[:, 0, 0], (1 - torch.tensor([0.4, 0.5, 0.6])) / torch.tensor([0.2, 0.3, 0.4]))


def test_the_demo_tells_left_from_right():
    """Half red, half blue: each half is more like the word for it than the other is."""
    model = vlmbench.load_model("demo-clip")
    encoder = capability(model, DenseEncoder)
    picture = PIL.Image.new("RGB", (256, 192), (220, 30, 30))
    picture.paste((30, 60, 220), (128, 0, 256, 192))
    with torch.inference_mode():
        found = encoder.encode_patches(encoder.normalise(picture)[None], encoder.readouts[0])[0]
        texts = model.encode_text(["a red circle", "a blue circle"])
    assert found.shape == (model.embedding_dim, 6, 8)
    scores = torch.einsum("dhw,cd->chw", found, texts)
    redder = scores[0] - scores[1]
    # The column on either side of the border sees both colours.
    assert redder[:, :3].mean() > redder[:, 5:].mean()
    between = torch.einsum("dhw,dhw->hw", found[:, :, :3], found[:, :, 5:])
    within = torch.einsum("dh,dh->h", found[:, :, 1], found[:, :, 2])
    assert between.mean() < within.mean() - 0.1
