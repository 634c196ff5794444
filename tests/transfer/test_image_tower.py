"""An image tower in pieces: the same features, the same gradients, less memory at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

import vlmbench.transfer.image_tower as module
from vlmbench.models.tunable import TunableImageTower, Update
from vlmbench.transfer.image_tower import ImageTower, TowerClassifier

SHAPE = (3, 4, 4)


@dataclass
class Layers:
    """Two layers with a nonlinearity. It notes how many images come at once, and has no room for more than ``room``."""

    room: int = 1000
    seen: list[int] = field(default_factory=list)
    image_width: int = 5
    image_layers: int = 1

    def parameters(self) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        return {
            "first": torch.randn(48, 20, generator=generator, dtype=torch.float64),
            "second": torch.randn(20, 6, generator=generator, dtype=torch.float64),
        }

    def encode_pixels(
        self,
        pixels: Tensor,
        *,
        prompts: Sequence[Tensor] = (),
        weights: Mapping[str, Tensor] | None = None,
        update: Update | None = None,
    ) -> Tensor:
        self.seen.append(len(pixels))
        if len(pixels) > self.room:
            raise torch.OutOfMemoryError("no room")
        own = {**self.parameters(), **(weights or {})}
        x = torch.tanh(pixels.flatten(1) @ own["first"])
        for prompt in prompts:
            x = x * prompt.mean(dim=(-2, -1)).reshape(-1, 1)
        return torch.nn.functional.normalize(x @ own["second"], dim=-1)


def images(count: int = 7) -> Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def tower_of(layers: Layers, piece: int | None = None) -> ImageTower:
    assert isinstance(layers, TunableImageTower)
    return ImageTower(layers, torch.device("cpu"), piece)


@pytest.mark.parametrize("own", [False, True], ids=["prompts of all images", "prompts of each image"])
@pytest.mark.parametrize("piece", [1, 3, 7, 100])
def test_pieces_give_the_same_features_and_gradients(piece: int, own: bool) -> None:
    prompts = torch.rand(*((7, 2, 5) if own else (2, 5)), dtype=torch.float64) + 0.5
    found = []
    for size in (1000, piece):
        given = prompts.clone().requires_grad_()
        weight = Layers().parameters()["first"].clone().requires_grad_()
        pixels = images().requires_grad_()
        layers = Layers()
        tower = tower_of(layers, size)
        features = tower.features(pixels, prompts=[given], weights={"first": weight})
        gradients = torch.autograd.grad(features[:, 0].square().sum(), [given, weight, pixels])
        found.append((features.detach(), *gradients))
        assert max(layers.seen) <= size and tower.passes == sum(layers.seen)
        assert tower.passes == (7 if size >= 7 else 14), "each piece is computed again for the backward pass"
    for whole, pieces in zip(*found, strict=True):
        torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-12)


def test_without_a_size_what_two_images_keep_more_than_one_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each image, its 20 numbers after tanh are kept, 8 bytes each, and at the end its 6 and its length."""
    weight = Layers().parameters()["first"].requires_grad_()
    for room, most in ((2**31, 7), (600, 2), (1, 1)):
        monkeypatch.setattr(module, "MOST_BYTES", room)
        layers = Layers()
        tower_of(layers).features(images(), weights={"first": weight})
        assert layers.seen[:2] == [1, 2], "the measurement"
        assert max(layers.seen[2:]) == most
    layers = Layers()
    tower = tower_of(layers)
    for _ in range(2):
        tower.features(images(), weights={"first": weight})
    assert layers.seen.count(2) == 1, "it is measured once"


def test_without_gradients_memory_that_runs_out_halves_a_batch() -> None:
    layers = Layers(room=2)
    with torch.no_grad(), pytest.warns(match="did not fit into memory"):
        found = tower_of(layers).features(images(), prompts=[torch.full((7, 2, 5), 0.5, dtype=torch.float64)])
    with torch.no_grad():
        wanted = tower_of(Layers()).features(images(), prompts=[torch.full((2, 5), 0.5, dtype=torch.float64)])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_pixels_come_to_the_towers_precision() -> None:
    found = tower_of(Layers()).features(images().float())
    assert found.dtype == torch.float64


@pytest.mark.parametrize("bias", [None, torch.tensor([0.5, -1.0], dtype=torch.float64)])
def test_a_classifier_scores_what_its_tower_encodes(bias: Tensor | None) -> None:
    tower = tower_of(Layers())
    weights: Any = torch.randn(2, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = TowerClassifier(tower, tower.features, weights.requires_grad_(), 3.0, bias).logits(images())
    with torch.no_grad():
        wanted = tower.features(images()) @ weights.T + (0 if bias is None else bias)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert not found.requires_grad
