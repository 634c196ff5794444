"""ZS-LP: a linear probe that starts from the zero-shot classifier.

Source: Silva-Rodríguez et al. 2023 (arXiv 2312.12730), jusiro/CLAP, trainers/adapters.py. The public code starts from
texts that are not of unit length; ``text_length`` gives them a length.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, LinearClassifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.training import Recipe, Weights, cross_entropy, rows_of, train


class LinearHeadOptions(MethodOptions):
    """The settings of a probe that starts from the texts. Defaults: methods.csv, row "ZS-LP"."""

    lr: float = Field(0.1, gt=0, le=100, description="learning rate of SGD")
    epochs: int = Field(300, ge=1, le=10_000, description="passes over the support images")
    batch_size: int = Field(256, ge=1, le=100_000, description="images in one step")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines")
    text_length: float = Field(1.0, gt=0, le=1000, description="length of the text features that training starts from")
    views: int = Field(
        1, ge=1, le=100, description="views of each support image; an epoch takes some of them at random"
    )

    @property
    def recipe(self) -> Recipe:
        """SGD with momentum, one epoch of warm-up, and a cosine by epoch."""
        return Recipe("sgd", self.lr, self.epochs, self.batch_size, warmup=1, whole_batches=True)


def cosine_logits(weights: Tensor, images: Tensor, scale: float) -> Tensor:
    """Cosines of images and class weights: (R, C, D) and (R, B, D) to (R, B, C), times a factor."""
    return scale * images @ F.normalize(weights, dim=-1).mT


def learn(data: FeatureData, options: LinearHeadOptions, watch: Watch) -> Weights:
    """The weights of the classes: "head", (R, C, D)."""
    images, labels = data.flat, data.flat_labels

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        logits = cosine_logits(weights["head"], rows_of(images, batch), options.scale)
        return cross_entropy(logits, rows_of(labels, batch))

    start = {"head": (options.text_length * data.texts).expand(data.draws, -1, -1)}
    return train(
        start, loss, options.recipe, images=data.images.shape[2], rows=images.shape[1], seeds=data.seeds, watch=watch
    )


def heads(weights: Weights, data: FeatureData, options: LinearHeadOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [LinearClassifier(own, options.scale) for own in F.normalize(weights["head"], dim=-1)]


METHOD = FeatureMethod(
    name="zs-lp",
    version=1,
    options=LinearHeadOptions,
    learn=learn,
    heads=heads,
    early={"lr": (0.1, 0.01, 0.001)},
    parameters=lambda data, options: data.texts.numel(),
    steps=lambda data, options: options.recipe.steps(data.images.shape[2]),
)
