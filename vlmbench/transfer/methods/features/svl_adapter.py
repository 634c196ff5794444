"""SVL-Adapter: a small network learns on another model's features, and its logits are mixed with those of zero-shot.

Source: Pantazis et al. 2022 (arXiv 2210.03794), omipan/svl_adapter, low_shot_adapt.py. Departures: the other model is
any model that the user names, where the paper trains a ResNet on the task's images without labels; its features have a
fixed length, where the code takes them as the network gives them; and without validation images the share of the
network is 1 - the mean zero-shot confidence on the support images, where SVL-Adapter* reads the test images.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.training import Recipe, Weights, cross_entropy, rows_of, train
from vlmbench.transfer.two_model_inputs import two_model_views


class SvlAdapterOptions(MethodOptions):
    """The settings of SVL-Adapter. Defaults: methods.csv, row "SVL-Adapter"."""

    other: str = Field(
        "", validate_default=True, description="the model whose features are learnt from, as -m takes it"
    )
    alpha: float | None = Field(
        None, ge=0, le=1, description="share of the network; 0 is zero-shot; by default 1 - mean zero-shot confidence"
    )
    hidden: int = Field(256, ge=1, le=100_000, description="units of the hidden layer")
    length: float | None = Field(
        None, gt=0, le=10_000, description="length of the other model's features; by default the square root of theirs"
    )
    lr: float = Field(0.001, gt=0, le=100, description="learning rate of Adam")
    epochs: int = Field(50, ge=1, le=10_000, description="passes")
    batch_size: int = Field(32, ge=1, le=100_000, description="images in one step")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines with the texts")
    views: int = Field(
        1, ge=1, le=100, description="views of each support image; an epoch takes some of them at random"
    )

    @field_validator("other")
    @classmethod
    def _named(cls, other: str) -> str:
        if not other:
            raise ValueError("name a second model, such as --option other=conse-efficientnet-lite2")
        return other

    @property
    def recipe(self) -> Recipe:
        """Adam at one learning rate."""
        return Recipe("adam", self.lr, self.epochs, self.batch_size, schedule="constant")


def read(engine: FeatureEngine, chosen: Chosen, options: SvlAdapterOptions, views: int) -> Tensor:
    """(V, N, D + E): the features of both models."""
    return two_model_views(engine, chosen, options.other, views=views)


def network(inputs: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """(…, B, E) to (…, B, C): two layers with a ReLU between them."""
    hidden = torch.relu(inputs @ weights["first"].mT + weights["first_bias"][..., None, :])
    return hidden @ weights["second"].mT + weights["second_bias"][..., None, :]


def start(data: FeatureData, options: SvlAdapterOptions) -> Weights:
    """Both layers as ``torch.nn.Linear`` begins: uniform within 1 / sqrt(inputs), drawn by seed."""
    inputs, classes = data.images.shape[-1] - data.texts.shape[1], data.classes

    def drawn(seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)

        def uniform(size: int, *shape: int) -> Tensor:
            return ((2 * torch.rand(*shape, generator=generator) - 1) / math.sqrt(size)).to(data.images.dtype)

        return {
            "first": uniform(inputs, options.hidden, inputs),
            "first_bias": uniform(inputs, options.hidden),
            "second": uniform(options.hidden, classes, options.hidden),
            "second_bias": uniform(options.hidden, classes),
        }

    each = [drawn(seed) for seed in data.seeds]
    return {name: torch.stack([own[name] for own in each]) for name in each[0]}


def length_of(data: FeatureData, options: SvlAdapterOptions) -> float:
    """The length of the other model's features, so that by default the mean square of their numbers is 1."""
    return options.length or math.sqrt(data.images.shape[-1] - data.texts.shape[1])


def share(data: FeatureData, draw: int, options: SvlAdapterOptions) -> float:
    """Alpha of a draw: as it is set, or 1 - the mean of the highest zero-shot probability of the support images."""
    if options.alpha is not None:
        return options.alpha
    own = data.images[draw, 0, :, : data.texts.shape[1]]
    return 1 - float((options.scale * own @ data.texts.T).softmax(dim=-1).amax(dim=-1).mean())


def learn(data: FeatureData, options: SvlAdapterOptions, watch: Watch) -> Weights:
    """Both layers of each draw."""
    inputs = length_of(data, options) * data.flat[..., data.texts.shape[1] :]
    labels = data.flat_labels

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        return cross_entropy(network(rows_of(inputs, batch), weights), rows_of(labels, batch))

    return train(
        start(data, options),
        loss,
        options.recipe,
        images=data.images.shape[2],
        rows=inputs.shape[1],
        seeds=data.seeds,
        watch=watch,
    )


@dataclass(frozen=True)
class MixedClassifier:
    """Logits of the network and of zero-shot: ``alpha network(g) + (1 - alpha) scale f·t``.

    Attributes:
        texts: (C, D).
        weights: of the network.
        length: of the other model's features g.
    """

    texts: Tensor
    weights: Mapping[str, Tensor]
    alpha: float
    length: float
    text_scale: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D + E) to (B, C)."""
        width = self.texts.shape[1]
        learnt = network(self.length * inputs[:, width:], self.weights)
        return self.alpha * learnt + (1 - self.alpha) * self.text_scale * inputs[:, :width] @ self.texts.T


def heads(weights: Weights, data: FeatureData, options: SvlAdapterOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    length = length_of(data, options)
    return [
        MixedClassifier(
            data.texts,
            {name: value[draw] for name, value in weights.items()},
            share(data, draw, options),
            length,
            options.scale,
        )
        for draw in range(data.draws)
    ]


def parameters(data: FeatureData, options: SvlAdapterOptions) -> int:
    """Both layers with their biases."""
    inputs = data.images.shape[-1] - data.texts.shape[1]
    return options.hidden * (inputs + 1) + data.classes * (options.hidden + 1)


def settled(data: FeatureData, options: SvlAdapterOptions) -> Mapping[str, Any]:
    """The share and the length of one draw."""
    return {"alpha": share(data, 0, options), "length": length_of(data, options)}


METHOD = FeatureMethod(
    name="svl-adapter",
    version=1,
    options=SvlAdapterOptions,
    learn=learn,
    heads=heads,
    late={"alpha": tuple(step / 20 for step in range(21))},
    parameters=parameters,
    steps=lambda data, options: options.recipe.steps(data.images.shape[2]),
    reads="two-models",
    read=read,
    beside=lambda options: (options.other,),
    settled=settled,
)
