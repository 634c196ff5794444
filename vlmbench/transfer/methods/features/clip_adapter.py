"""CLIP-Adapter: a small network moves image features before they meet the texts.

Source: Gao et al. 2021 (arXiv 2110.04544), gaopengcuhk/CLIP-Adapter, clip_adapter.py. The repository has a trainer
without a recipe, so that CoOp's recipe is the default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.training import Recipe, Weights, cross_entropy, rows_of, train


class ClipAdapterOptions(MethodOptions):
    """The settings of CLIP-Adapter. Defaults: methods.csv, row "CLIP-Adapter"."""

    ratio: float = Field(0.2, ge=0, le=1, description="share of the network in an image feature; 0 is zero-shot")
    reduction: int = Field(4, ge=1, le=64, description="the hidden layer has D divided by this many units")
    lr: float = Field(0.002, gt=0, le=100, description="learning rate of SGD")
    epochs: int | None = Field(None, ge=1, le=10_000, description="passes; by default 50, 100 or 200, as CoOp")
    batch_size: int = Field(32, ge=1, le=100_000, description="images in one step")
    weight_decay: float = Field(5e-4, ge=0, le=1, description="weight decay of SGD")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")

    def recipe(self, shots: float) -> Recipe:
        """CoOp's: SGD, one epoch of warm-up at 1e-5, and a cosine by epoch."""
        epochs = self.epochs or coop_epochs(shots)
        return Recipe(
            "sgd", self.lr, epochs, self.batch_size, weight_decay=self.weight_decay, warmup=1, whole_batches=True
        )


def coop_epochs(shots: float) -> int:
    """How many epochs CoOp trains for this number of shots. Source: KaiyangZhou/CoOp, COOP.md."""
    return 50 if shots <= 1 else 100 if shots <= 4 else 200


def adapted(images: Tensor, down: Tensor, up: Tensor, ratio: float) -> Tensor:
    """Image features, (…, B, D), with the network's answer mixed in; unit length."""
    answer = torch.relu(torch.relu(images @ down.mT) @ up.mT)
    return F.normalize(ratio * answer + (1 - ratio) * images, dim=-1)


@dataclass(frozen=True)
class AdapterClassifier:
    """Cosines of texts with adapted image features.

    Attributes:
        texts: (C, D).
        down: (H, D).
        up: (D, H).
    """

    texts: Tensor
    down: Tensor
    up: Tensor
    ratio: float
    scale: float

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C)."""
        return adapted(inputs, self.down, self.up, self.ratio) @ self.texts.T


def start(data: FeatureData, options: ClipAdapterOptions) -> Weights:
    """Both layers as ``torch.nn.Linear`` begins: uniform within 1 / sqrt(inputs), drawn by seed."""
    width = data.texts.shape[1]
    hidden = max(1, width // options.reduction)

    def drawn(seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return (
            (2 * torch.rand(hidden, width, generator=generator) - 1) / math.sqrt(width),
            (2 * torch.rand(width, hidden, generator=generator) - 1) / math.sqrt(hidden),
        )

    down, up = zip(*(drawn(seed) for seed in data.seeds), strict=True)
    return {"down": torch.stack(down).to(data.texts.dtype), "up": torch.stack(up).to(data.texts.dtype)}


def learn(data: FeatureData, options: ClipAdapterOptions, watch: Watch) -> Weights:
    """Both layers: "down", (R, H, D), and "up", (R, D, H)."""
    images, labels = data.flat, data.flat_labels

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        features = adapted(rows_of(images, batch), weights["down"], weights["up"], options.ratio)
        return cross_entropy(options.scale * features @ data.texts.mT, rows_of(labels, batch))

    recipe = options.recipe(data.shots)
    return train(
        start(data, options),
        loss,
        recipe,
        images=data.images.shape[2],
        rows=images.shape[1],
        seeds=data.seeds,
        watch=watch,
    )


def heads(weights: Weights, data: FeatureData, options: ClipAdapterOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        AdapterClassifier(data.texts, down, up, options.ratio, options.scale)
        for down, up in zip(weights["down"], weights["up"], strict=True)
    ]


METHOD = FeatureMethod(
    name="clip-adapter",
    version=1,
    options=ClipAdapterOptions,
    learn=learn,
    heads=heads,
    early={"ratio": (0.2, 0.4, 0.6, 0.8)},
    parameters=lambda data, options: 2 * data.texts.shape[1] * max(1, data.texts.shape[1] // options.reduction),
    steps=lambda data, options: options.recipe(data.shots).steps(data.images.shape[2]),
    scores_new_classes=True,
)
