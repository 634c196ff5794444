"""Patch features of transformers' CLIP against the papers' formulas and the library's own tokens."""

from __future__ import annotations

from typing import Any

import PIL.Image
import pytest
import torch
from models import literal_readouts
from torch import Tensor
from torch.nn.functional import normalize

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models.base import DenseEncoder
from vlmbench.models.towers.patch_readouts import READOUTS

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from vlmbench.models.transformers.patches import dense_encoder  # noqa: E402  (after the skip)

WIDTHS = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
TEXT = {**WIDTHS, "num_hidden_layers": 1, "vocab_size": 8, "eos_token_id": 7, "bos_token_id": 6}
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]


@pytest.fixture(scope="module", params=["quick_gelu", "gelu"])
def network(request: pytest.FixtureRequest) -> Any:
    """A tower with every parameter moved: norms start as 1 and biases as 0."""
    vision = {**WIDTHS, "num_hidden_layers": 3, "image_size": 32, "patch_size": 16, "hidden_act": request.param}
    torch.manual_seed(0)
    network = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=24)
    ).eval()
    for parameter in network.requires_grad_(False).parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape))
    return network


def processor(**options: Any) -> Any:
    size = {"shortest_edge": 32}
    crop = {"height": 32, "width": 32}
    return transformers.CLIPImageProcessor(size=size, crop_size=crop, image_mean=MEAN, image_std=STD, **options)


@pytest.fixture
def encoder(network: Any) -> DenseEncoder:
    found = dense_encoder("model", network, processor())
    assert isinstance(found, DenseEncoder)
    return found


def pixels(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def literal(network: Any, images: Tensor, readout: str) -> Tensor:
    """The library's own embeddings and layers up to the last; that one token by token."""
    vision, grid = network.vision_model, (images.shape[2] // 16, images.shape[3] // 16)
    embedded = vision.embeddings
    overshoot = 0.1 if readout in ("sclip", "clearclip", "naclip") else 0.0
    places = literal_readouts.positions(embedded.position_embedding.weight, (2, 2), grid, overshoot)
    x = embedded.patch_embedding(images).flatten(2).transpose(1, 2)
    x = torch.cat([embedded.class_embedding.expand(len(x), 1, -1), x], dim=1) + places
    x = vision.pre_layrnorm(x)
    for layer in vision.encoder.layers[:-1]:
        x = layer(x, None)
    last, maps = vision.encoder.layers[-1], []
    for tokens in x:
        attn, normed = last.self_attn, last.layer_norm1(tokens)
        qkv = [projection(normed) for projection in (attn.q_proj, attn.k_proj, attn.v_proj)]
        mixed = literal_readouts.attention(readout, qkv, 2, grid)
        out = torch.stack([attn.out_proj(torch.cat(heads)) for heads in mixed])
        if readout not in ("clearclip", "naclip"):
            out = tokens + out
            out = out + last.mlp(last.layer_norm2(out))
        features = network.visual_projection(vision.post_layernorm(out[1:]))
        maps.append((features / features.norm(dim=1, keepdim=True)).T.unflatten(1, grid))
    return torch.stack(maps)


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
def test_readouts_are_the_papers(size, network, encoder):
    assert encoder.readouts == tuple(READOUTS) and encoder.patch_size == 16
    for readout in encoder.readouts:
        with torch.inference_mode():
            ours = encoder.encode_patches(pixels(*size), readout)
            expected = literal(network, pixels(*size), readout)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
def test_plain_patches_are_the_librarys_tokens(size, network, encoder):
    with torch.inference_mode():
        output = network.vision_model(pixel_values=pixels(*size), interpolate_pos_encoding=True)
        tokens = network.vision_model.post_layernorm(output.last_hidden_state[:, 1:])
        expected = normalize(network.visual_projection(tokens), dim=-1)
        ours = encoder.encode_patches(pixels(*size), "plain")
    torch.testing.assert_close(ours.flatten(2).transpose(1, 2), expected, rtol=0, atol=1e-5)


def test_image_features_are_left_alone(network, encoder):
    with torch.inference_mode():
        before = network.vision_model(pixel_values=pixels(32, 32)).pooler_output
        for readout in encoder.readouts:
            encoder.encode_patches(pixels(64, 32), readout)
        assert torch.equal(network.vision_model(pixel_values=pixels(32, 32)).pooler_output, before)


def test_what_cannot_be_is_told(encoder):
    with pytest.raises(ModelError, match=r"'model'.*32 by 40.*patches of 16"):
        encoder.encode_patches(pixels(32, 40), "plain")
    with pytest.raises(UnknownNameError, match="no readout 'conv-map'"):
        encoder.encode_patches(pixels(32, 32), "conv-map")


def test_normalise_is_the_processor_without_resizing(encoder, odd_image):
    found = encoder.normalise(odd_image)
    assert found.shape == (3, odd_image.height, odd_image.width) and found.dtype == torch.float32
    fitting = PIL.Image.linear_gradient("L").resize((32, 32)).convert("RGB")
    own = processor()(images=fitting, return_tensors="pt")["pixel_values"][0]
    torch.testing.assert_close(encoder.normalise(fitting), own)
    white = encoder.normalise(PIL.Image.new("L", (5, 3), 255))
    torch.testing.assert_close(white[:, 0, 0], (1 - torch.tensor(MEAN)) / torch.tensor(STD))


def test_other_models_do_not_offer_patches(network):
    assert dense_encoder("model", network, object()) is None
    layer = network.vision_model.encoder.layers[0]
    known = type(layer)
    layer.__class__ = type("Other", (known,), {})
    assert dense_encoder("model", network, processor()) is None
    layer.__class__ = known
    siglip = transformers.SiglipConfig(text_config={**WIDTHS, "vocab_size": 8}, vision_config=WIDTHS)
    assert dense_encoder("model", transformers.SiglipModel(siglip), processor()) is None
