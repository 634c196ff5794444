"""TaskRes: a trained residual for each class is added to its text.

Source: Yu et al. 2022 (arXiv 2211.10277), geekyutao/TaskRes, trainers/taskres.py. The public code adds the residual to
texts that are not of unit length; ``text_length`` gives them a length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, LinearClassifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.methods.features.zs_lp import cosine_logits
from vlmbench.transfer.training import Recipe, Weights, cross_entropy, rows_of, train


class TaskResOptions(MethodOptions):
    """The settings of TaskRes. Defaults: methods.csv, row "TaskRes"."""

    alpha: float = Field(0.5, ge=0, le=100, description="factor of the residual; 0 is zero-shot")
    lr: float = Field(2e-3, gt=0, le=100, description="learning rate of Adam")
    epochs: int | None = Field(None, ge=1, le=10_000, description="passes; by default 100 up to 4 shots, else 200")
    batch_size: int = Field(256, ge=1, le=100_000, description="images in one step")
    weight_decay: float = Field(5e-4, ge=0, le=1, description="weight decay of Adam")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines")
    text_length: float = Field(1.0, gt=0, le=1000, description="length of the texts that residuals are added to")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")

    def recipe(self, shots: float) -> Recipe:
        """Adam, one epoch of warm-up at 1e-5, and a cosine by epoch."""
        epochs = self.epochs or (100 if shots <= 4 else 200)
        return Recipe(
            "adam", self.lr, epochs, self.batch_size, weight_decay=self.weight_decay, warmup=1, whole_batches=True
        )


def moved(residuals: Tensor, data: FeatureData, options: TaskResOptions) -> Tensor:
    """The class weights, (R, C, D): texts with their residuals."""
    return options.text_length * data.texts + options.alpha * residuals


def learn(data: FeatureData, options: TaskResOptions, watch: Watch) -> Weights:
    """The residuals: "residuals", (R, C, D), from zero."""
    images, labels = data.flat, data.flat_labels

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        logits = cosine_logits(moved(weights["residuals"], data, options), rows_of(images, batch), options.scale)
        return cross_entropy(logits, rows_of(labels, batch))

    start = {"residuals": torch.zeros(data.draws, *data.texts.shape)}
    recipe = options.recipe(data.shots)
    return train(start, loss, recipe, images=data.images.shape[2], rows=images.shape[1], seeds=data.seeds, watch=watch)


def heads(weights: Weights, data: FeatureData, options: TaskResOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        LinearClassifier(own, options.scale) for own in F.normalize(moved(weights["residuals"], data, options), dim=-1)
    ]


METHOD = FeatureMethod(
    name="taskres",
    version=1,
    options=TaskResOptions,
    learn=learn,
    heads=heads,
    early={"alpha": (0.1, 0.3, 0.5, 1.0)},
    parameters=lambda data, options: data.texts.numel(),
    steps=lambda data, options: options.recipe(data.shots).steps(data.images.shape[2]),
)
