"""Methods that train through the image tower against literal implementations, on a tiny tower in float64.

The literal ones run the library's own modules, so that they share no code with the towers' capabilities.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_vit import library_images, library_texts
from torch import Tensor
from tower_cases import (
    BATCH,
    EPOCHS,
    LABELS,
    NAMES,
    PIXELS,
    SCALE,
    SIDE,
    WORDS,
    assert_learnt,
    batches,
    by_sgd,
    learnt,
    made,
    zero_shot,
)

from vlmbench.models.base import capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.tunable import TunableImageTower
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.imaged import ImagedMethod
from vlmbench.transfer.methods.towers.clip_lora import METHOD as CLIP_LORA
from vlmbench.transfer.methods.towers.full_ft import METHOD as FULL_FT
from vlmbench.transfer.methods.towers.maple import METHOD as MAPLE
from vlmbench.transfer.methods.towers.promptsrc import METHOD as PROMPTSRC
from vlmbench.transfer.methods.towers.vp import METHOD as VP
from vlmbench.transfer.methods.towers.vpt import METHOD as VPT
from vlmbench.transfer.methods.towers.wise_ft import METHOD as WISE_FT

EVERY: list[ImagedMethod[Any]] = [VP, FULL_FT, WISE_FT, MAPLE, PROMPTSRC, VPT, CLIP_LORA]


def ramp(step: int, warmup: int, steps: int, lr: float) -> float:
    """The learning rate of a step by the public code of WiSE-FT and VP."""
    if step < warmup:
        return lr * (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) * lr


def test_vp(model: Any) -> None:
    """With 12 of 224 pixels the border of 32 x 32 is 2 wide; the first of 6 steps is no warm-up, since 6 // 10 is 0."""
    data, options = made(model), {"border": 12, "lr": 40.0}
    first = VP.start(data, VP.options(**options))["border"]
    places = [(y, x) for y in range(SIDE) for x in range(SIDE) if min(y, x) < 2 or max(y, x) >= SIDE - 2]
    assert first.shape == (3, len(places)) == (3, 4 * 2 * (SIDE - 2))
    border, velocity = first.clone(), torch.zeros_like(first)
    for step, (pixels, labels) in enumerate(pair for pairs in batches(EPOCHS) for pair in pairs):
        canvas = torch.zeros(3, SIDE, SIDE, dtype=torch.float64)
        for place, (y, x) in enumerate(places):
            canvas[:, y, x] = border[:, place]
        canvas.requires_grad_()
        logits = SCALE * model.network.encode_image(pixels + canvas, normalize=True) @ data.hand.T
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, labels), canvas)
        velocity = 0.9 * velocity + torch.stack([gradient[:, y, x] for y, x in places], dim=1)
        border = border - ramp(step, 0, 6, 40.0) * velocity
    assert_learnt(learnt(VP, data, **options), {"border": border}, {"border": first})


def test_the_published_border_has_69840_values(model: Any) -> None:
    data = replace(made(model), size=(224, 224))
    assert VP.start(data, VP.options())["border"].numel() == 69_840


@pytest.mark.parametrize("epochs, warmup", [(EPOCHS, 500), (10, 500), (10, 1)])
def test_full_ft(model: Any, epochs: int, warmup: int) -> None:
    """The public code: AdamW on a copy of the network and a linear layer, with short gradients."""
    data = made(model)
    network = copy.deepcopy(model.network).requires_grad_()
    head = torch.nn.Linear(model.embedding_dim, 3).double()
    with torch.no_grad():
        head.weight.copy_(SCALE * data.hand)
        head.bias.zero_()
    parameters = [*network.visual.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)
    pairs = [pair for pairs in batches(epochs) for pair in pairs]
    for step, (pixels, labels) in enumerate(pairs):
        optimiser.param_groups[0]["lr"] = ramp(step, min(warmup, len(pairs) // 10), len(pairs), 0.01)
        optimiser.zero_grad()
        features = network.visual(pixels)
        F.cross_entropy(head(features / features.norm(dim=-1, keepdim=True)), labels).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    options = FULL_FT.options(epochs=epochs, batch_size=BATCH, lr=0.01, warmup=warmup)
    found = FULL_FT.learn(data, PIXELS, LABELS, options)
    for name, value in network.visual.named_parameters():
        torch.testing.assert_close(found[f"tower.{name}"], value.detach(), rtol=0, atol=1e-8)
    torch.testing.assert_close(found["head"], head.weight.detach(), rtol=0, atol=1e-8)
    with torch.no_grad():
        features = network.visual(PIXELS.numbers[0])
        wanted = head(features / features.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(FULL_FT.head(found, data, options).logits(PIXELS.numbers[0]), wanted, rtol=0, atol=1e-6)
    assert sum(value.numel() for value in found.values()) == sum(value.numel() for value in parameters)


def test_wise_ft_is_the_mean_of_both_networks(model: Any) -> None:
    data = made(model)
    weights = learnt(WISE_FT, data, lr=0.01)
    network = copy.deepcopy(model.network)
    with torch.no_grad():
        for name, value in network.visual.named_parameters():
            value.copy_(0.7 * value + 0.3 * weights[f"tower.{name}"])
        features = network.encode_image(PIXELS.numbers[0], normalize=True)
        head = 0.7 * SCALE * data.hand + 0.3 * weights["head"]
        wanted = features @ head.T + 0.3 * weights["bias"]
    found = WISE_FT.head(weights, data, WISE_FT.options(alpha=0.3)).logits(PIXELS.numbers[0])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_the_ends_of_wise_ft_are_zero_shot_and_full_fine_tuning(model: Any) -> None:
    data = made(model)
    weights = learnt(WISE_FT, data, lr=0.01)
    zero, one = (
        WISE_FT.head(weights, data, WISE_FT.options(alpha=alpha)).logits(PIXELS.numbers[0]) for alpha in (0.0, 1.0)
    )
    torch.testing.assert_close(zero, zero_shot(model, data), rtol=0, atol=1e-12)
    full = FULL_FT.head(learnt(FULL_FT, data, lr=0.01), data, FULL_FT.options()).logits(PIXELS.numbers[0])
    assert torch.equal(one, full) and float((one - zero).abs().max()) > 1e-3


def test_full_fine_tuning_and_an_empty_border_begin_as_zero_shot(model: Any) -> None:
    data = made(model)
    options = FULL_FT.options()
    found = FULL_FT.head(FULL_FT.start(data, options), data, options).logits(PIXELS.numbers[0])
    torch.testing.assert_close(found, zero_shot(model, data), rtol=0, atol=1e-12)
    for none in ({"spread": 0.0}, {"border": 0}):
        options = VP.options(**none)
        head = VP.head(VP.start(data, options), data, options)
        assert isinstance(head, TowerClassifier) and head.scale == SCALE
        wanted = zero_shot(model, data)
        torch.testing.assert_close(SCALE * head.logits(PIXELS.numbers[0]), wanted, rtol=0, atol=1e-12)
    assert learnt(VP, data, border=0)["border"].shape == (3, 0)


def maple_features(model: Any, weights: Mapping[str, Tensor], pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Images and texts by the public code of MaPLe."""
    states = [weights["context"], *weights["deep"]]
    maps = [weights["map"], *weights["deep_map"]]
    biases = [weights["map_bias"], *weights["deep_map_bias"]]
    visual = [state @ own.T + bias for state, own, bias in zip(states, maps, biases, strict=True)]
    texts = library_texts(model, NAMES, WORDS, weights["context"], list(weights["deep"]))
    return library_images(model.network, pixels, visual), texts


def test_maple(model: Any) -> None:
    data, options = made(model), {"lr": 0.05}

    def loss_of(weights: Mapping[str, Tensor], pixels: Tensor, labels: Tensor) -> Tensor:
        images, texts = maple_features(model, weights, pixels)
        return F.cross_entropy(SCALE * images @ texts.T, labels)

    start = MAPLE.start(data, MAPLE.options(**options))
    found = learnt(MAPLE, data, **options)
    assert_learnt(found, by_sgd(start, loss_of, 0.05)[-1], start)
    head = MAPLE.head(found, data, MAPLE.options(**options))
    images, texts = maple_features(model, found, PIXELS.numbers[0])
    torch.testing.assert_close(head.logits(PIXELS.numbers[0]), images @ texts.T, rtol=0, atol=1e-9)


def test_maple_begins_with_the_first_words_and_alike_maps(model: Any) -> None:
    data = made(model)
    start = MAPLE.start(data, MAPLE.options(depth=100))
    layers = capability(model, TunableImageTower).image_layers  # type: ignore[union-attr]
    ids = model._tokenizer([WORDS])[0]
    assert torch.equal(start["context"], model.network.token_embedding(ids)[1:3].detach())
    assert start["deep"].shape == (layers - 1, 2, 32) and start["deep_map"].shape == (layers - 1, 96, 32)
    assert float(start["map"].abs().max()) <= 1 / math.sqrt(32) and float(start["map"].std()) > 0.08
    assert torch.equal(start["deep_map"], start["deep_map"][:1].expand_as(start["deep_map"]))
    again, other = MAPLE.start(data, MAPLE.options()), MAPLE.start(replace(data, seed=8), MAPLE.options())
    assert torch.equal(again["map"], start["map"]) and not torch.equal(other["map"], start["map"])


@pytest.mark.parametrize("method", [MAPLE, PROMPTSRC], ids=lambda method: method.name)
def test_texts_begin_as_those_of_the_words_where_no_later_block_gets_prompts(
    model: Any, method: ImagedMethod[Any]
) -> None:
    data, options = made(model), method.options(depth=1)
    head = method.head(method.start(data, options), data, options)
    assert isinstance(head, TowerClassifier)
    with torch.no_grad():
        wanted = model.encode_text([f"{WORDS} {name.replace('_', ' ')}." for name in NAMES])
    torch.testing.assert_close(head.weights, wanted, rtol=0, atol=1e-9)


def test_promptsrc(model: Any) -> None:
    """The loss by the public code, and the mean of the epochs' prompts with weights of a Gaussian."""
    data, options = made(model), {"lr": 0.05, "centre": 0.6, "width": 0.4}

    def loss_of(weights: Mapping[str, Tensor], pixels: Tensor, labels: Tensor) -> Tensor:
        texts = library_texts(model, NAMES, WORDS, weights["context"], list(weights["deep"]))
        images = library_images(model.network, pixels, list(weights["visual"]))
        frozen = library_images(model.network, pixels, []).detach()
        logits, teacher = SCALE * images @ texts.T, (SCALE * frozen @ data.hand.T).softmax(1)
        apart = (teacher * (teacher.log() - logits.log_softmax(1))).sum() / logits.numel()
        distances = 25 * (texts - data.hand).abs().mean() + 10 * (images - frozen).abs().mean()
        return F.cross_entropy(logits, labels) + distances + apart

    start = PROMPTSRC.start(data, PROMPTSRC.options(**options))
    gauss = [math.exp(-0.5 * ((epoch - 0.6 * EPOCHS) / (0.4 * EPOCHS)) ** 2) for epoch in range(1, EPOCHS + 1)]
    each = by_sgd(start, loss_of, 0.05)
    wanted = {
        name: sum(share / sum(gauss) * weights[name] for share, weights in zip(gauss, each, strict=True))
        for name in start
    }
    assert_learnt(learnt(PROMPTSRC, data, **options), wanted, start)  # type: ignore[arg-type]


def test_the_published_gaussian_of_promptsrc() -> None:
    """Mean 15 and deviation 1 of 20 epochs. The default is the few-shot runs' number of epochs."""
    assert PROMPTSRC.shares is not None and PROMPTSRC.options().recipe(16, 1).steps(16) == 50 * 4
    found = torch.tensor(PROMPTSRC.shares(PROMPTSRC.options(epochs=20)), dtype=torch.float64)
    wanted = torch.exp(-0.5 * (torch.arange(1, 21, dtype=torch.float64) - 15) ** 2)
    torch.testing.assert_close(found / found.sum(), wanted / wanted.sum(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_pieces_equal_the_whole_and_the_model_stays(model: Any, method: ImagedMethod[Any]) -> None:
    before, flags = state_sha256(model.network), [each.requires_grad for each in model.network.parameters()]
    whole, pieces = made(model), made(model, piece=1)
    still = {"dropout": 0.0} if method is CLIP_LORA else {}  # each piece leaves out other inputs
    first, second, again = (learnt(method, data, **still) for data in (whole, pieces, made(model)))
    assert pieces.tower.passes > whole.tower.passes, "pieces are computed again for the backward pass"
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=0, atol=1e-9)
        assert torch.equal(again[name], value)
    assert state_sha256(model.network) == before
    assert [each.requires_grad for each in model.network.parameters()] == flags
    assert all(each.grad is None for each in model.network.parameters())
