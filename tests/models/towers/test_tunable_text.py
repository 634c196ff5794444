"""Embeddings in the place of tokens, on seeded towers of both libraries: features, gradients, what stays the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from models.tiny import PROMPTS, shaken

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions, capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.transformers.adapter import load
from vlmbench.models.tunable import TunableTowers

OPEN_CLIP = ["tiny", "tiny-quickgelu", "tiny-custom", "tiny-eos", "tiny-bias", "tiny-scale", "tiny-short"]
OTHERS = ["tiny-blocks", "tiny-sigmoid", "tiny-last", "tiny-bidirectional", "tiny-class-token", "tiny-coca"]


@pytest.fixture(params=[*OPEN_CLIP, "transformers"])
def model(request: pytest.FixtureRequest) -> Any:
    if request.param == "transformers":
        folder = request.getfixturevalue("small_clip")
        return shaken(
            load(ModelCard(name="small", adapter="transformers", spec=str(folder)), LoadOptions(offline=True))
        )
    return shaken(request.getfixturevalue("open_model")(request.param, random_seed=1))


def tunable(model: Any) -> TunableTowers:
    found = capability(model, TunableTowers)
    assert found is not None
    return found


def test_embeddings_of_tokens_have_the_features_of_their_texts(model: Any) -> None:
    towers = tunable(model)
    found = towers.token_embeddings(PROMPTS)
    assert found.embeddings.shape == (*found.ids.shape, towers.text_width)
    assert found.ids.shape[1] == int(found.ends.max()) + 1 <= towers.context_length
    with torch.inference_mode():
        plain = model.encode_text(PROMPTS)
    torch.testing.assert_close(towers.encode_embeddings(found.embeddings, found.ends), plain, rtol=0, atol=1e-6)


def test_gradients_are_those_of_finite_differences(model: Any) -> None:
    model.network.double()
    towers = tunable(model)
    found = towers.token_embeddings(["a photo of a cat", "a dog"])
    generator = torch.Generator().manual_seed(0)
    asked = found.embeddings.detach().clone().requires_grad_()
    weights = torch.randn(2, model.embedding_dim, generator=generator, dtype=torch.float64)
    direction = torch.randn(asked.shape, generator=generator, dtype=torch.float64)

    def value(x: torch.Tensor) -> torch.Tensor:
        return (towers.encode_embeddings(x, found.ends) * weights).sum()

    (gradient,) = torch.autograd.grad(value(asked), asked)
    step = 1e-6
    with torch.no_grad():
        slope = (value(asked + step * direction) - value(asked - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-5, abs=1e-9)
    after_the_end = torch.arange(asked.shape[1]) > found.ends[:, None]
    assert float(gradient[after_the_end].abs().sum()) == 0


def test_nothing_of_the_model_changes(model: Any) -> None:
    before, random = state_sha256(model.network), torch.get_rng_state()
    wanted = {name: parameter.requires_grad for name, parameter in model.network.named_parameters()}
    towers = tunable(model)
    found = towers.token_embeddings(["a cat", "a"])
    asked = found.embeddings.clone().requires_grad_()
    features = towers.encode_embeddings(asked, found.ends)
    assert {name: p.requires_grad for name, p in model.network.named_parameters()} == wanted
    features.sum().backward()
    assert asked.grad is not None and all(parameter.grad is None for parameter in model.network.parameters())
    assert state_sha256(model.network) == before and torch.equal(torch.get_rng_state(), random)
    assert not any(module.training for module in model.network.modules())


@pytest.mark.parametrize("architecture", OTHERS)
def test_other_towers_do_not_offer_it(architecture: str, open_model: Any) -> None:
    assert capability(open_model(architecture, random_seed=1), TunableTowers) is None
