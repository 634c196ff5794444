"""Full fine-tuning: the whole image tower is trained, and a linear head that starts from the zero-shot classifier.

Source: Wortsman et al. 2021 (arXiv 2109.01903), mlfoundations/wise-ft, src/models/finetune.py. Departures: the head
starts from the task's own prompts; the warm-up of 500 steps is at most a tenth of all steps; half of the views are
mirrored; batch norm of a ResNet keeps its statistics. The crops of 90 to 100 % are those of its clip/clip.py.

The recipe is for full data sets. Up to 512 support images in all are one batch, so that 10 epochs are 10 steps, of
which the first is the warm-up. With so few steps, set a smaller ``batch_size`` or more ``epochs`` to train longer.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.imaged import ImagedData, ImagedMethod, ImagedOptions
from vlmbench.transfer.training import Recipe, Weights, with_warm_up

_LONGEST = 1.0
"""Longer gradients are brought to this length. Source: src/models/finetune.py."""
_TOWER = "tower."


class FullFtOptions(ImagedOptions):
    """The settings of full fine-tuning. Defaults: methods.csv, row "WiSE-FT"."""

    lr: float = Field(3e-5, gt=0, le=1, description="learning rate of AdamW")
    epochs: int = Field(10, ge=1, le=10_000, description="passes over the support images")
    batch_size: int = Field(512, ge=1, le=100_000, description="images in one step")
    weight_decay: float = Field(0.1, ge=0, le=1, description="weight decay of AdamW")
    area: float = Field(0.9, gt=0, le=1, description="the smallest crop of a view, as a share of the image")
    warmup: int = Field(500, ge=0, le=100_000, description="steps of warm-up, at most a tenth of all steps")

    def recipe(self, images: int, shots: float) -> Recipe:
        """AdamW with short gradients, a warm-up in equal rises, and a cosine by step."""
        recipe = Recipe(
            "adamw",
            self.lr,
            self.epochs,
            self.batch_size,
            weight_decay=self.weight_decay,
            schedule="cosine after warm-up",
            longest=_LONGEST,
        )
        return with_warm_up(recipe, self.warmup, images)


def start(data: ImagedData, options: FullFtOptions) -> Weights:
    """The tower's parameters, with "tower." before their names; "head", (C, D), with the logit scale; "bias", (C,)."""
    tower = {f"{_TOWER}{name}": value for name, value in data.tower.tower.parameters().items()}
    return {**tower, "head": data.logit_scale * data.hand, "bias": torch.zeros_like(data.hand[:, 0])}


def tower_of(weights: Weights) -> Weights:
    """The tower's parameters among all weights, by their own names."""
    return {name.removeprefix(_TOWER): value for name, value in weights.items() if name.startswith(_TOWER)}


def loss(weights: Weights, data: ImagedData, options: FullFtOptions, pixels: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, 3, H, W) images with their (B,) labels."""
    features = data.tower.features(pixels, weights=tower_of(weights))
    return F.cross_entropy(F.linear(features, weights["head"], weights["bias"]), labels)


def head(weights: Weights, data: ImagedData, options: FullFtOptions) -> Classifier:
    """The trained tower with the trained head."""
    encode = partial(data.tower.features, weights=tower_of(weights))
    return TowerClassifier(data.tower, encode, weights["head"], 1.0, weights["bias"])


METHOD = ImagedMethod(
    name="full-ft",
    version=1,
    options=FullFtOptions,
    start=start,
    loss=loss,
    head=head,
    scores_new_classes=False,
)
