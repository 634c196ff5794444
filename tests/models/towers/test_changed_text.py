"""Text towers with states and updates, on seeded towers of both libraries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from models.checkpoints import open_folder
from models.tiny import shaken

from vlmbench.errors import ModelError
from vlmbench.models.base import capability
from vlmbench.models.tunable import TunableTowers

TEXTS = ["a photo of a cat", "a dog", "a photo of a dog"]
STATES = 2
LOADED: dict[str, Any] = {}


@pytest.fixture(params=["tiny-scale", "tiny-custom", "transformers"])
def model(request: pytest.FixtureRequest) -> Any:
    """In double precision. No test changes it."""
    name = request.param
    if name not in LOADED:
        if name == "transformers":
            found: Any = open_folder(request.getfixturevalue("small_clip"))
        else:
            found = request.getfixturevalue("open_model")(name, random_seed=1)
        shaken(found).network.double()
        LOADED[name] = found
    return LOADED[name]


def towers_of(model: Any) -> TunableTowers:
    found = capability(model, TunableTowers)
    assert found is not None
    return found


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def literal(model: Any, deep: list[torch.Tensor]) -> torch.Tensor:
    """The library's own layers one after the other; the states of the first words are written over."""
    found = towers_of(model).token_embeddings(TEXTS)
    count, length = found.ids.shape
    mask = torch.full((length, length), float("-inf"), dtype=torch.float64).triu(1)
    if model.network.__class__.__name__ == "CLIPModel":
        text = model.network.text_model
        layers = [lambda x, layer=layer: layer(x, attention_mask=mask[None, None]) for layer in text.encoder.layers]
        positions, norm, project = text.embeddings.position_embedding.weight, text.final_layer_norm, None
    else:
        text = getattr(model.network, "text", model.network)
        layers = [lambda x, layer=layer: layer(x, attn_mask=mask) for layer in text.transformer.resblocks]
        positions, norm, project = text.positional_embedding, text.ln_final, text.text_projection
    x = found.embeddings + positions[:length]
    for number, layer in enumerate(layers):
        if 0 < number <= len(deep):
            x = x.clone()
            x[:, 1 : 1 + len(deep[number - 1])] = deep[number - 1]
        given = layer(x)
        x = given if isinstance(given, torch.Tensor) else given[0]
    pooled = norm(x)[torch.arange(count), found.ends]
    projected = model.network.text_projection(pooled) if project is None else pooled @ project
    return F.normalize(projected, dim=-1)


@pytest.mark.parametrize("entries", [0, 1])
def test_states_are_those_of_a_literal_forward(model: Any, entries: int) -> None:
    towers, found = towers_of(model), towers_of(model).token_embeddings(TEXTS)
    deep = [random(STATES, towers.text_width, seed=i) for i in range(entries)]
    with torch.no_grad():
        wanted = literal(model, deep)
        features = towers.encode_embeddings(found.embeddings, found.ends, deep=deep)
        own = [state.expand(len(TEXTS), -1, -1) for state in deep]
        torch.testing.assert_close(features, wanted, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            towers.encode_embeddings(found.embeddings, found.ends, deep=own), wanted, rtol=0, atol=1e-12
        )
    assert (float((features - literal(model, [])).abs().max()) > 1e-3) == bool(entries)


def text_parameters(model: Any) -> dict[str, torch.Tensor]:
    """The parameters of the text tower by the names of its module."""
    beginning = "text." if hasattr(model.network, "text") else ""
    return {name.removeprefix(beginning): value for name, value in model.network.named_parameters()}


def test_an_update_is_a_change_of_the_projections_weights(model: Any) -> None:
    towers, found = towers_of(model), towers_of(model).token_embeddings(TEXTS)
    width, own = towers.text_width, text_parameters(model)
    parts = {(block, name): 0.3 * random(2, width, seed=9 * block + ord(name)) for block in range(2) for name in "qkv"}
    weights: dict[str, torch.Tensor] = {}
    for (block, name), (down, up) in parts.items():
        if any("in_proj" in each for each in own):
            rows = f"transformer.resblocks.{block}.attn.in_proj_weight"
            weights.setdefault(rows, own[rows].clone())[width * "qkv".index(name) :][:width] += torch.outer(up, down)
        else:
            rows = f"text_model.encoder.layers.{block}.self_attn.{name}_proj.weight"
            weights[rows] = own[rows] + torch.outer(up, down)

    def update(block: int, name: str, x: torch.Tensor) -> torch.Tensor:
        down, up = parts[block, name]
        return (x @ down).unsqueeze(-1) * up

    features = towers.encode_embeddings(found.embeddings, found.ends, update=update)
    with torch.no_grad():
        kept = {name: own[name].clone() for name in weights}
        try:
            for name, value in weights.items():
                own[name].copy_(value)
            wanted = literal(model, [])
        finally:
            for name, value in kept.items():
                own[name].copy_(value)
    torch.testing.assert_close(features, wanted, rtol=0, atol=1e-12)
    assert float((features - towers.encode_embeddings(found.embeddings, found.ends)).abs().max()) > 1e-3


@pytest.mark.parametrize("kind", ["deep", "update"])
def test_gradients_are_those_of_finite_differences(model: Any, kind: str) -> None:
    towers, found = towers_of(model), towers_of(model).token_embeddings(TEXTS)
    start = {
        "deep": [random(STATES, towers.text_width)],
        "update": [0.3 * random(towers.text_width, towers.text_width, seed=i) for i in range(2)],
    }[kind]
    readout = random(len(TEXTS), model.embedding_dim, seed=9)

    def value(asked: list[torch.Tensor]) -> torch.Tensor:
        given: Any = {
            "deep": asked,
            "update": lambda block, _, x: x @ asked[block],
        }[kind]
        return (towers.encode_embeddings(found.embeddings, found.ends, **{kind: given}) * readout).sum()

    at = [each.detach().clone().requires_grad_() for each in start]
    gradients = torch.autograd.grad(value(at), at)
    step = 1e-6
    for number, gradient in enumerate(gradients):
        direction = random(*gradient.shape, seed=number)
        with torch.no_grad():
            up, down = (
                value([each + sign * step * direction if i == number else each for i, each in enumerate(at)])
                for sign in (1, -1)
            )
        assert float((gradient * direction).sum()) == pytest.approx(float(up - down) / (2 * step), rel=1e-5, abs=1e-8)
        assert float(gradient.abs().sum()) > 0


def test_what_has_no_place_is_refused(model: Any) -> None:
    towers, found = towers_of(model), towers_of(model).token_embeddings(TEXTS)
    deep = [random(STATES, towers.text_width)] * towers.text_layers
    with pytest.raises(ModelError, match="has 1 block after the first, and got states for 2"):
        towers.encode_embeddings(found.embeddings, found.ends, deep=deep)
