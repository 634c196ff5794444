"""CLAP: ZS-LP with a penalty that keeps each class near its text, the more the better zero-shot knows the class.

Source: Silva-Rodríguez et al. 2023 (arXiv 2312.12730), jusiro/CLAP, trainers/adapters.py. The public code starts from
texts that are not of unit length, for which the penalty is stronger; ``text_length`` gives them a length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.methods.features.zs_lp import LinearHeadOptions, cosine_logits, heads
from vlmbench.transfer.training import Weights, cross_entropy, rows_of, train


def multipliers(data: FeatureData, scale: float) -> Tensor:
    """Lambda of each class, (R, C): the mean zero-shot probability of the class over its support images."""
    probabilities = (scale * data.flat @ data.texts.mT).softmax(dim=-1)
    one_hot = torch.nn.functional.one_hot(data.flat_labels, data.classes).to(probabilities.dtype)
    return (probabilities * one_hot).sum(dim=1) / one_hot.sum(dim=1)


def learn(data: FeatureData, options: LinearHeadOptions, watch: Watch) -> Weights:
    """The weights of the classes: "head", (R, C, D)."""
    images, labels = data.flat, data.flat_labels
    start, strength = options.text_length * data.texts, multipliers(data, options.scale)

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        logits = cosine_logits(weights["head"], rows_of(images, batch), options.scale)
        distance = (weights["head"] - start).square().sum(dim=-1)
        return cross_entropy(logits, rows_of(labels, batch)) + (strength * distance).mean(dim=1)

    begin = {"head": start.expand(data.draws, -1, -1)}
    return train(
        begin, loss, options.recipe, images=data.images.shape[2], rows=images.shape[1], seeds=data.seeds, watch=watch
    )


METHOD = FeatureMethod(
    name="clap",
    version=1,
    options=LinearHeadOptions,
    learn=learn,
    heads=heads,
    early={"lr": (0.1, 0.01, 0.001)},
    parameters=lambda data, options: data.texts.numel(),
    steps=lambda data, options: options.recipe.steps(data.images.shape[2]),
)
