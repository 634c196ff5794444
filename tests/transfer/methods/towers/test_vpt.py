"""VPT against a literal implementation, on a tiny tower in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_vit import library_images
from torch import Tensor
from tower_cases import PIXELS, SCALE, assert_learnt, by_sgd, learnt, made, zero_shot

from vlmbench.models.base import capability
from vlmbench.models.towers.weights import state_sha256
from vlmbench.models.tunable import TunableImageTower
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.methods.towers.vpt import METHOD


@pytest.mark.parametrize("depth", [1, 2])
def test_tokens_are_those_of_the_public_code(model: Any, depth: int) -> None:
    data, options = made(model), {"lr": 0.5, "tokens": 3, "depth": depth}

    def loss_of(weights: Mapping[str, Tensor], pixels: Tensor, labels: Tensor) -> Tensor:
        images = library_images(model.network, pixels, list(weights["tokens"]))
        return F.cross_entropy(SCALE * images @ data.hand.T, labels)

    before = state_sha256(model.network)
    start = METHOD.start(data, METHOD.options(**options))
    assert start["tokens"].shape == (depth, 3, 96)
    found = learnt(METHOD, data, **options)
    assert_learnt(found, by_sgd(start, loss_of, 0.5)[-1], start)
    with torch.no_grad():
        wanted = library_images(model.network, PIXELS.numbers[0], list(found["tokens"])) @ data.hand.T
    head = METHOD.head(found, data, METHOD.options(**options))
    torch.testing.assert_close(head.logits(PIXELS.numbers[0]), wanted, rtol=0, atol=1e-9)
    assert state_sha256(model.network) == before


def test_no_tokens_are_zero_shot(model: Any) -> None:
    data = made(model)
    found = learnt(METHOD, data, tokens=0)
    assert sum(value.numel() for value in found.values()) == 0
    head = METHOD.head(found, data, METHOD.options(tokens=0))
    assert isinstance(head, TowerClassifier) and head.scale == SCALE
    logits = SCALE * head.logits(PIXELS.numbers[0])
    torch.testing.assert_close(logits, zero_shot(model, data), rtol=0, atol=1e-12)


def test_every_block_of_a_short_tower_gets_tokens(model: Any) -> None:
    tower = capability(model, TunableImageTower)
    assert tower is not None
    tokens = METHOD.start(made(model), METHOD.options())["tokens"]
    assert tokens.shape == (tower.image_layers, 8, tower.image_width)
    assert 0.017 < float(tokens.std()) < 0.023
