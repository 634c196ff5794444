"""CLIP-LoRA against torch's own modules with low-rank parameters, on a tiny tower in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tower_cases import BATCH, EPOCHS, LABELS, NAMES, PIXELS, SCALE, WORDS, batches, learnt, made, zero_shot

from vlmbench.models.towers.weights import state_sha256
from vlmbench.transfer.class_texts import whole_texts
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.methods.towers.clip_lora import METHOD, low_rank, thinned

TEXTS = [f"{WORDS} {name.replace('_', ' ')}." for name in NAMES]


class LowRank(nn.Module):
    """A multi-head attention whose queries, keys and values have low-rank updates, as in loralib/layers.py."""

    def __init__(self, attention: nn.MultiheadAttention, down: Tensor, up: Tensor, factor: float) -> None:
        super().__init__()
        self.plain, self.factor = attention, factor
        self.down, self.up = nn.Parameter(down.clone()), nn.Parameter(up.clone())

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool, attn_mask: Tensor | None
    ) -> tuple[Tensor, None]:
        weights, biases = self.plain.in_proj_weight.chunk(3), self.plain.in_proj_bias.chunk(3)
        parts = []
        for number, x in enumerate((query, key, value)):
            weight = weights[number] + self.factor * self.up[number] @ self.down[number]
            heads = (x @ weight.T + biases[number]).unflatten(-1, (self.plain.num_heads, -1)).transpose(1, 2)
            parts.append(heads)
        scores = parts[0] @ parts[1].transpose(-1, -2) / math.sqrt(parts[0].shape[-1])
        mixed = (scores if attn_mask is None else scores + attn_mask).softmax(-1) @ parts[2]
        return self.plain.out_proj(mixed.transpose(1, 2).flatten(2)), None


def with_updates(model: Any, start: Mapping[str, Tensor], factor: float) -> Any:
    """A copy of the network whose only trained parameters are those of the updates."""
    network = copy.deepcopy(model.network).requires_grad_(False)
    for side, transformer in {"image": network.visual.transformer, "text": network.transformer}.items():
        if f"{side}_down" in start:
            for number, block in enumerate(transformer.resblocks):
                block.attn = LowRank(block.attn, start[f"{side}_down"][number], start[f"{side}_up"][number], factor)
    return network


def updates_of(network: Any) -> dict[str, Tensor]:
    found = {}
    for side, transformer in {"image": network.visual.transformer, "text": network.transformer}.items():
        layers = [block.attn for block in transformer.resblocks if isinstance(block.attn, LowRank)]
        if layers:
            found[f"{side}_down"] = torch.stack([layer.down.detach() for layer in layers])
            found[f"{side}_up"] = torch.stack([layer.up.detach() for layer in layers])
    return found


def texts_of(network: Any, model: Any) -> Tensor:
    return F.normalize(network.encode_text(model._tokenizer(TEXTS)), dim=-1)


@pytest.mark.parametrize("encoder", ["both", "image", "text"])
@pytest.mark.parametrize("divide", ["rank", "root"])
def test_updates_are_those_of_trained_modules(model: Any, encoder: str, divide: str) -> None:
    data, before = made(model), state_sha256(model.network)
    given = {"encoder": encoder, "divide": divide, "alpha": 1.5, "rank": 3, "dropout": 0.0, "lr": 0.01}
    options = METHOD.options(epochs=EPOCHS, batch_size=BATCH, **given)
    start = METHOD.start(data, options)
    factor = 1.5 / (3 if divide == "rank" else math.sqrt(3))
    network = with_updates(model, start, factor)
    trained = [each for each in network.parameters() if each.requires_grad]
    steps = [pair for pairs in batches(EPOCHS) for pair in pairs]
    optimiser = torch.optim.AdamW(trained, weight_decay=0.01, lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(steps), eta_min=1e-6)
    for pixels, labels in steps:
        texts = texts_of(network, model)
        logits = SCALE * network.encode_image(pixels, normalize=True) @ texts.T
        optimiser.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimiser.step()
        schedule.step()
    found, wanted = METHOD.learn(data, PIXELS, LABELS, options), updates_of(network)
    assert set(found) == set(wanted) == {f"{side}_{part}" for side in sides(encoder) for part in ("down", "up")}
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-8)
        assert float((value - start[name]).abs().max()) > 1e-3
    with torch.no_grad():
        texts = texts_of(network, model)
        logits = network.encode_image(PIXELS.numbers[0], normalize=True) @ texts.T
    head = METHOD.head(found, data, options)
    torch.testing.assert_close(head.logits(PIXELS.numbers[0]), logits, rtol=0, atol=1e-7)
    assert state_sha256(model.network) == before


def sides(encoder: str) -> tuple[str, ...]:
    return ("image", "text") if encoder == "both" else (encoder,)


@pytest.mark.parametrize("encoder", ["both", "image", "text"])
@pytest.mark.parametrize("templates", [[f"{WORDS} {{}}."], ["{}", "a photo of the {}, a shape"]])
def test_it_begins_as_zero_shot_with_the_same_texts(model: Any, encoder: str, templates: list[str]) -> None:
    data, options = made(model), METHOD.options(encoder=encoder)
    texts = [template.format(name) for name in NAMES for template in templates]
    with torch.no_grad():
        each = model.encode_text(texts).reshape(len(NAMES), len(templates), -1)
    classes, words = whole_texts(data.texts.towers, texts)
    assert words.shape == (0, 32)
    data = replace(data, hand=F.normalize(each.mean(1), dim=-1), classes=classes, words=words)
    head = METHOD.head(METHOD.start(data, options), data, options)
    assert isinstance(head, TowerClassifier) and head.scale == SCALE
    logits = SCALE * head.logits(PIXELS.numbers[0])
    torch.testing.assert_close(logits, zero_shot(model, data), rtol=0, atol=1e-10)


def test_by_default_the_texts_are_of_one_template(model: Any) -> None:
    """The task's own prompts, which have several, are an option."""
    assert METHOD.options().words == "a photo of a" and METHOD.options(words="").words == ""
    data = made(model)
    options = METHOD.options(encoder="image")
    head = METHOD.head(METHOD.start(data, options), data, options)
    assert isinstance(head, TowerClassifier)
    torch.testing.assert_close(head.weights, texts_of(model.network, model).detach(), rtol=0, atol=1e-10)
    passes = data.texts.passes
    METHOD.head(METHOD.start(data, options), data, options)
    assert passes == len(NAMES) == data.texts.passes, "texts that stay are computed once"


def test_the_recipe_is_500_steps_a_shot() -> None:
    recipe = METHOD.options().recipe(160, 16)
    assert recipe.steps(160) == 8000
    assert METHOD.options().recipe(7, 0.7).steps(7) == 350
    rates = [recipe.rate(step // 5, step, 8000) for step in (0, 4000, 7999)]
    assert rates == pytest.approx([2e-4, (2e-4 + 1e-6) / 2, 1e-6], rel=1e-4)


def test_the_first_matrices_are_uniform_and_the_second_zero(model: Any) -> None:
    start = METHOD.start(made(model), METHOD.options())
    assert start["image_down"].shape == (2, 3, 2, 96) and start["text_up"].shape == (2, 3, 32, 2)
    for side, width in (("image", 96), ("text", 32)):
        bound = 1 / math.sqrt(width)
        assert 0.95 * bound < float(start[f"{side}_down"].abs().max()) <= bound
        assert float(start[f"{side}_down"].std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not start[f"{side}_up"].any()


def test_inputs_of_an_update_are_left_out_in_training_alone(model: Any) -> None:
    data, options = made(model), METHOD.options(dropout=0.25, rank=2)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in METHOD.start(data, options).items()
    }
    x = torch.randn(5, 7, 96, generator=generator, dtype=torch.float64)
    down, up = weights["image_down"][1, 2], weights["image_up"][1, 2]

    def updated(step: int, piece: int = 0) -> Tensor:
        return low_rank(weights, replace(data, step=step), options, "image")(piece)(1, "v", x)

    torch.testing.assert_close(updated(0), 0.5 * x @ (up @ down).T, rtol=0, atol=1e-12)
    wanted = 0.5 * thinned(x, 0.25, f"{data.seed} 4 image 2 1 v") @ (up @ down).T
    torch.testing.assert_close(updated(4, 2), wanted, rtol=0, atol=1e-12)
    assert torch.equal(updated(4, 2), updated(4, 2))
    assert not torch.equal(updated(4, 2), updated(4, 0)) and not torch.equal(updated(4, 2), updated(5, 2))
    kept = thinned(torch.ones(100, 100), 0.25, "a name")
    assert sorted(set(kept.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert float((kept == 0).float().mean()) == pytest.approx(0.25, abs=0.02)


def test_training_with_left_out_inputs_is_the_same_twice_and_with_texts_in_pieces(model: Any) -> None:
    whole, state = made(model), torch.get_rng_state()
    first, again = (learnt(METHOD, made(model), lr=0.01) for _ in range(2))
    still = learnt(METHOD, whole, lr=0.01, dropout=0.0)
    for name, value in first.items():
        assert torch.equal(value, again[name])
    assert float((first["image_up"] - still["image_up"]).abs().max()) > 1e-4
    assert torch.equal(torch.get_rng_state(), state)
    pieces = made(model)
    pieces.texts.chunk = 2
    found = learnt(METHOD, pieces, lr=0.01, dropout=0.0)
    assert pieces.texts.passes > whole.texts.passes, "pieces are computed again for the backward pass"
    for name, value in still.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-9)
