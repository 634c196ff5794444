"""Image towers with extra tokens and other weights, on seeded towers of both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from models.checkpoints import metaclip_2, open_folder
from models.tiny import shaken

from vlmbench.errors import ModelError
from vlmbench.models.base import capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.transformers.tunable import tunable_image_tower
from vlmbench.models.tunable import TunableImageTower

TRANSFORMERS = ["clip", "metaclip_2"]
WITH_TOKENS = ["tiny-vit", "tiny-vit-quickgelu", "tiny-vit-layer-scale", "tiny-vit-wide-image", "tiny-custom"]
OTHERS = ["tiny-vit-average", "tiny-vit-blocks", "tiny-vit-attentional-pool", "tiny-vit-no-pool", "tiny-coca"]


LOADED: dict[str, Any] = {}
"""Models that earlier tests loaded. No test changes them."""


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Any) -> Callable[[str], Any]:
    def make(name: str) -> Any:
        if name in TRANSFORMERS:
            folder = request.getfixturevalue("small_clip") if name == "clip" else metaclip_2(tmp_path)
            return shaken(open_folder(folder))
        return shaken(request.getfixturevalue("open_model")(name, random_seed=1))

    return make


def once(key: str, make: Callable[[], Any]) -> Any:
    if key not in LOADED:
        LOADED[key] = make()
    return LOADED[key]


def in_double(model: Any) -> Any:
    model.network.double()
    return model


@pytest.fixture(params=[*WITH_TOKENS, *TRANSFORMERS])
def model(request: pytest.FixtureRequest, opened: Callable[[str], Any]) -> Any:
    return once(request.param, lambda: opened(request.param))


@pytest.fixture(params=["tiny-vit-layer-scale", "clip"])
def double(request: pytest.FixtureRequest, opened: Callable[[str], Any]) -> Any:
    return once(f"{request.param} in double", lambda: in_double(opened(request.param)))


def tower_of(model: Any) -> TunableImageTower:
    found = capability(model, TunableImageTower)
    assert found is not None
    return found


def pixels_of(model: Any, count: int = 3) -> torch.Tensor:
    side = getattr(getattr(model.network, "visual", None), "image_size", 32)
    height, width = side if isinstance(side, (tuple, list)) else (side, side)
    generator = torch.Generator().manual_seed(3)
    found = torch.randn(count, 3, height, width, generator=generator)
    return found.to(next(model.network.parameters()).dtype)


def random(*shape: int, like: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=like.dtype)


def literal(model: Any, pixels: torch.Tensor, prompts: list[torch.Tensor]) -> torch.Tensor:
    """The library's own layers one after the other, with the prompts after the patches."""
    count = len(pixels)
    if hasattr(model.network, "visual"):
        visual = model.network.visual
        layers, norm = list(visual.transformer.resblocks), visual.ln_pre
        patches = visual.conv1(pixels).reshape(count, visual.conv1.out_channels, -1).permute(0, 2, 1)
        x = torch.cat([visual.class_embedding.view(1, 1, -1).repeat(count, 1, 1), patches], dim=1)
        x = x + visual.positional_embedding
    else:
        vision = model.network.vision_model
        layers, norm = list(vision.encoder.layers), vision.pre_layrnorm
        x = vision.embeddings(pixels)
    length = x.shape[1]
    for number, layer in enumerate(layers):
        if number < len(prompts):
            x = torch.cat([x[:, :length], prompts[number].unsqueeze(0).repeat(count, 1, 1)], dim=1)
        x = norm(x) if number == 0 else x
        found = layer(x) if hasattr(model.network, "visual") else layer(x, attention_mask=None)
        x = found if isinstance(found, torch.Tensor) else found[0]
    if hasattr(model.network, "visual"):
        return F.normalize(model.network.visual.ln_post(x[:, 0]) @ model.network.visual.proj, dim=-1)
    return F.normalize(model.network.visual_projection(model.network.vision_model.post_layernorm(x[:, 0])), dim=-1)


def test_plain_features_are_those_of_encode_image(model: Any) -> None:
    tower, pixels = tower_of(model), pixels_of(model)
    with torch.inference_mode():
        plain = model.encode_image(pixels)
    torch.testing.assert_close(tower.encode_pixels(pixels), plain, rtol=0, atol=1e-6)
    none = [torch.zeros(0, tower.image_width) for _ in range(tower.image_layers)]
    torch.testing.assert_close(tower.encode_pixels(pixels, prompts=none), plain, rtol=0, atol=1e-6)
    own = tower.encode_pixels(pixels, weights=tower.parameters())
    torch.testing.assert_close(own, plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize("entries", [1, 2])
def test_prompts_are_those_of_a_literal_forward(model: Any, entries: int) -> None:
    tower, pixels = tower_of(model), pixels_of(model)
    entries = min(entries, tower.image_layers)
    prompts = [random(3 + i, tower.image_width, like=pixels, seed=i) for i in range(entries)]
    with torch.no_grad():
        wanted = literal(model, pixels, prompts)
        torch.testing.assert_close(tower.encode_pixels(pixels, prompts=prompts), wanted, rtol=0, atol=2e-6)
        own = [prompt.expand(len(pixels), -1, -1) for prompt in prompts]
        torch.testing.assert_close(tower.encode_pixels(pixels, prompts=own), wanted, rtol=0, atol=2e-6)
        assert float((wanted - tower.encode_pixels(pixels)).abs().max()) > 1e-3


@pytest.mark.parametrize("name", ["tiny-vit", "clip", "tiny-resnet"])
def test_weights_make_another_model(name: str, opened: Callable[[str], Any]) -> None:
    model, other = once(name, lambda: opened(name)), opened(name)
    with torch.no_grad():
        for parameter in other.network.parameters():
            parameter.add_(0.2 * random(*parameter.shape, like=parameter, seed=parameter.numel()))
    pixels = torch.randn(2, 3, 64 if name == "tiny-resnet" else 32, 64 if name == "tiny-resnet" else 32)
    tower = tower_of(model)
    with torch.inference_mode():
        plain, wanted = model.encode_image(pixels), other.encode_image(pixels)
    found = tower.encode_pixels(pixels, weights=tower_of(other).parameters())
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(tower.encode_pixels(pixels), plain, rtol=0, atol=1e-6)
    assert float((wanted - plain).abs().max()) > 1e-3


def test_an_update_of_rank_one_is_a_change_of_the_weights(double: Any) -> None:
    tower, pixels = tower_of(double), pixels_of(double)
    width = tower.image_width
    parts = {
        (block, name): 0.3 * random(2, width, like=pixels, seed=10 * block + place)
        for block in range(tower.image_layers)
        for place, name in enumerate("qkv")
    }

    def update(block: int, name: str, x: torch.Tensor) -> torch.Tensor:
        down, up = parts[block, name]
        return (x @ down).unsqueeze(-1) * up

    weights: dict[str, torch.Tensor] = {}
    for (block, name), (down, up) in parts.items():
        if hasattr(double.network, "visual"):
            rows = f"transformer.resblocks.{block}.attn.in_proj_weight"
            weights.setdefault(rows, tower.parameters()[rows].clone())
            weights[rows]["qkv".index(name) * width :][:width] += torch.outer(up, down)
        else:
            rows = f"vision_model.encoder.layers.{block}.self_attn.{name}_proj.weight"
            weights[rows] = tower.parameters()[rows] + torch.outer(up, down)
    with torch.no_grad():
        wanted = tower.encode_pixels(pixels, weights=weights)
        found = tower.encode_pixels(pixels, update=update)
        assert float((wanted - tower.encode_pixels(pixels)).abs().max()) > 1e-3
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["pixels", "prompts", "weights", "update"])
def test_gradients_are_those_of_finite_differences(double: Any, kind: str) -> None:
    tower, pixels = tower_of(double), pixels_of(double, 2)
    names = [name for name in tower.parameters() if "1." in name] + ["class_embedding", "proj"]
    own = {name: value for name, value in tower.parameters().items() if name in names}
    width, layers = tower.image_width, tower.image_layers
    start: dict[str, list[torch.Tensor]] = {
        "pixels": [pixels],
        "prompts": [random(2, width, like=pixels, seed=i) for i in range(layers)],
        "weights": list(own.values()),
        "update": [0.3 * random(width, width, like=pixels, seed=i) for i in range(layers)],
    }
    readout = random(2, double.embedding_dim, like=pixels, seed=9)

    def value(asked: list[torch.Tensor]) -> torch.Tensor:
        if kind == "pixels":
            found = tower.encode_pixels(asked[0])
        elif kind == "prompts":
            found = tower.encode_pixels(pixels, prompts=asked)
        elif kind == "weights":
            found = tower.encode_pixels(pixels, weights=dict(zip(own, asked, strict=True)))
        else:
            found = tower.encode_pixels(pixels, update=lambda block, _, x: x @ asked[block])
        return (found * readout).sum()

    at = [each.detach().clone().requires_grad_() for each in start[kind]]
    gradients = torch.autograd.grad(value(at), at)
    step = 1e-6
    for number, gradient in enumerate(gradients):
        direction = random(*gradient.shape, like=pixels, seed=number)
        with torch.no_grad():
            ends = [
                value([each + sign * step * direction if i == number else each for i, each in enumerate(at)])
                for sign in (1, -1)
            ]
        slope = float(ends[0] - ends[1]) / (2 * step)
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-9)
        # A bias of the keys moves all weights of a softmax alike.
        assert float(gradient.abs().sum()) > 0 or "k_proj.bias" in list(own)[number]


def test_nothing_of_the_model_changes(model: Any) -> None:
    tower, pixels = tower_of(model), pixels_of(model)
    parameters = dict(model.network.named_parameters())
    first = next(iter(parameters.values()))
    first.requires_grad_(True)
    before, random_state = state_sha256(model.network), torch.get_rng_state()
    wanted = {name: parameter.requires_grad for name, parameter in parameters.items()}
    prompts = [torch.zeros(1, tower.image_width, requires_grad=True)]
    weights = {name: value.clone().requires_grad_() for name, value in tower.parameters().items()}
    features = tower.encode_pixels(pixels, prompts=prompts, weights=weights, update=lambda block, name, x: 0.1 * x)
    assert {name: p.requires_grad for name, p in model.network.named_parameters()} == wanted
    features[:, 0].sum().backward()
    assert prompts[0].grad is not None and any(value.grad is not None for value in weights.values())

    def failing(block: int, name: str, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        tower.encode_pixels(pixels, weights=weights, update=failing)
    now = dict(model.network.named_parameters())
    assert all(now[name] is parameter and parameter.grad is None for name, parameter in parameters.items())
    assert {name: p.requires_grad for name, p in now.items()} == wanted
    assert state_sha256(model.network) == before and torch.equal(torch.get_rng_state(), random_state)
    assert not any(module.training for module in model.network.modules())
    first.requires_grad_(False)


def test_a_resnet_gives_gradients_of_pixels_and_weights_alone(opened: Callable[[str], Any]) -> None:
    model = in_double(opened("tiny-resnet"))
    before = state_sha256(model.network)
    tower = tower_of(model)
    assert tower.image_width == tower.image_layers == 0
    pixels = random(2, 3, 64, 64, like=torch.zeros(0, dtype=torch.float64)).requires_grad_()
    with torch.inference_mode():
        plain = model.encode_image(pixels.detach())
    torch.testing.assert_close(tower.encode_pixels(pixels).detach(), plain, rtol=0, atol=1e-12)
    weights = {"conv1.weight": tower.parameters()["conv1.weight"].clone().requires_grad_()}
    at, step = [pixels, weights["conv1.weight"]], 1e-6
    gradients = torch.autograd.grad(tower.encode_pixels(pixels, weights=weights)[:, 0].sum(), at)
    for number, gradient in enumerate(gradients):
        direction = random(*gradient.shape, like=gradient)
        with torch.no_grad():
            ends = []
            for sign in (1, -1):
                moved = [each + sign * step * direction if i == number else each for i, each in enumerate(at)]
                ends.append(float(tower.encode_pixels(moved[0], weights={"conv1.weight": moved[1]})[:, 0].sum()))
        assert float((gradient * direction).sum()) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)
    assert state_sha256(model.network) == before
    for asked in ({"prompts": [torch.zeros(1, 8)]}, {"update": lambda block, name, x: x}):
        with pytest.raises(ModelError, match="neither prompts nor updates"):
            tower.encode_pixels(pixels, **asked)


def test_what_has_no_place_is_refused(opened: Callable[[str], Any]) -> None:
    tower = tower_of(model := opened("tiny-vit"))
    pixels = pixels_of(model)
    with pytest.raises(ModelError, match="has 2 blocks, and got prompts for 3"):
        tower.encode_pixels(pixels, prompts=[torch.zeros(1, tower.image_width)] * 3)
    with pytest.raises(ModelError, match=r"no parameter head\.weight"):
        tower.encode_pixels(pixels, weights={"head.weight": torch.zeros(1)})
    with pytest.raises(ModelError, match="proj has the shape"):
        tower.encode_pixels(pixels, weights={"proj": torch.zeros(1)})


@pytest.mark.parametrize("architecture", OTHERS)
def test_other_towers_do_not_offer_it(architecture: str, open_model: Any) -> None:
    assert capability(open_model(architecture, random_seed=1), TunableImageTower) is None


def test_a_repositorys_own_layer_of_the_librarys_name_does_not_offer_it(tmp_path: Any) -> None:
    towers: Any = open_folder(metaclip_2(tmp_path)).towers
    assert tunable_image_tower(towers) is not None
    layer = towers.vision_model.encoder.layers[1]
    kind = type(layer)
    layer.__class__ = type(kind.__name__, (kind,), {"__module__": "transformers_modules.somebody.modeling_clip"})
    assert tunable_image_tower(towers) is None
