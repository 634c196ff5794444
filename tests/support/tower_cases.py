"""What tests of methods through the image tower learn from: seeded pixels of three classes, for a tiny tower."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.base import capability
from vlmbench.models.tunable import TunableImageTower, TunableTowers
from vlmbench.transfer.class_texts import class_texts
from vlmbench.transfer.image_tower import ImageTower
from vlmbench.transfer.imaged import ImagedData, ImagedMethod

NAMES = ("red circle", "blue square", "green_star")
WORDS, SEED, SCALE = "a photo of a", 7, 20.0
EPOCHS, BATCH, SIDE = 3, 4, 32


@dataclass(frozen=True)
class Given:
    """Seeded pixels of V views of N images."""

    numbers: Tensor

    @property
    def views(self) -> int:
        return self.numbers.shape[0]

    @property
    def images(self) -> int:
        return self.numbers.shape[1]

    def __call__(self, views: Tensor, rows: Tensor) -> Tensor:
        return self.numbers[views, rows]


LABELS = torch.arange(len(NAMES)).repeat_interleave(2)
PIXELS = Given(torch.randn(2, 6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5), dtype=torch.float64))


def made(model: Any, piece: int | None = None) -> ImagedData:
    image_tower, towers = capability(model, TunableImageTower), capability(model, TunableTowers)
    assert image_tower is not None and towers is not None
    classes, words = class_texts(towers, NAMES, WORDS)
    generator = torch.Generator().manual_seed(6)
    hand = F.normalize(torch.randn(3, model.embedding_dim, generator=generator, dtype=torch.float64), dim=-1)
    tower = ImageTower(image_tower, torch.device("cpu"), piece)
    return ImagedData(tower, hand, SCALE, SEED, (SIDE, SIDE), classes, words)


def learnt(method: ImagedMethod[Any], data: ImagedData, **options: Any) -> Mapping[str, Tensor]:
    return method.learn(data, PIXELS, LABELS, method.options(epochs=EPOCHS, batch_size=BATCH, **options))


def batches(epochs: int, *, whole: bool = False) -> list[list[tuple[Tensor, Tensor]]]:
    """For each epoch its batches of pixels and labels: each image once, with a view at random.

    Args:
        whole: an incomplete batch is left out, as Dassl's loaders do.
    """
    order, seen = (torch.Generator().manual_seed(SEED) for _ in range(2))
    found = []
    for _ in range(epochs):
        found.append([])
        for rows in torch.randperm(6, generator=order).split(BATCH):
            if whole and len(rows) < BATCH:
                continue
            views = torch.randint(2, rows.shape, generator=seen)
            found[-1].append((PIXELS.numbers[views, rows], LABELS[rows]))
    return found


def zero_shot(model: Any, data: ImagedData) -> Tensor:
    """Scaled cosines of the first views."""
    with torch.no_grad():
        return SCALE * model.network.encode_image(PIXELS.numbers[0], normalize=True) @ data.hand.T


def by_sgd(
    start: Mapping[str, Tensor], loss_of: Callable[[Mapping[str, Tensor], Tensor, Tensor], Tensor], lr: float
) -> list[dict[str, Tensor]]:
    """Dassl's SGD with momentum, weight decay, a warm-up epoch and a cosine by epoch: the weights after each epoch."""
    weights, velocity = dict(start), {name: torch.zeros_like(value) for name, value in start.items()}
    after = []
    for epoch, pairs in enumerate(batches(EPOCHS, whole=True)):
        rate = 1e-5 if epoch == 0 else lr * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS)) / 2
        for pixels, labels in pairs:
            own = {name: value.clone().requires_grad_() for name, value in weights.items()}
            gradients = torch.autograd.grad(loss_of(own, pixels, labels), list(own.values()))
            for (name, value), gradient in zip(weights.items(), gradients, strict=True):
                velocity[name] = 0.9 * velocity[name] + gradient + 5e-4 * value
            weights = {name: value - rate * velocity[name] for name, value in weights.items()}
        after.append(weights)
    return after


def assert_learnt(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> None:
    assert set(found) == set(wanted)
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=0, atol=1e-9)
        assert float((value - start[name]).abs().max()) > 1e-6, name
