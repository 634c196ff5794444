"""LP++: a linear probe plus zero-shot with a trained factor for each class; step sizes come from the data.

Source: Huang et al. 2024 (arXiv 2404.02285), FereshteShakeri/FewShot-CLIP-Strong-Baseline, methods/linear_probe_p2.py.
Two quirks of the public code are kept, for they change results: weights start from the sums of the classes' features,
and the gradient of the factors is summed over epochs and never cleared (``clear_gradient`` clears it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch, check_finite
from vlmbench.transfer.training import Weights

_FACTOR = 250.0
"""What the classes' mean cosines are multiplied with for the first factors."""


class LpPlusPlusOptions(MethodOptions):
    """The settings of LP++. Defaults: methods.csv, row "LP++"."""

    epochs: int = Field(300, ge=1, le=10_000, description="steps, each with all support images")
    factor_every: int = Field(10, ge=1, le=10_000, description="epochs between two steps of the factors")
    clear_gradient: bool = Field(False, description="clear the factors' gradient after their step")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")


@dataclass(frozen=True)
class BlendedClassifier:
    """A linear probe plus zero-shot with a factor for each class.

    Attributes:
        texts: (C, D).
        weights: (C, D).
        bias: (C,).
        factors: (C,).
    """

    texts: Tensor
    weights: Tensor
    bias: Tensor
    factors: Tensor
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C)."""
        return inputs @ self.weights.T + self.bias + self.factors * (inputs @ self.texts.T)


def first_factors(cosines: Tensor, one_hot: Tensor) -> Tensor:
    """The factors at the beginning, (R, C), all equal: 250 times the classes' mean of (image · own text).

    Args:
        cosines: (R, N, C) of images and texts.
        one_hot: (R, N, C).
    """
    of_class = (cosines * one_hot).sum(1) / one_hot.sum(1)
    return (_FACTOR * of_class.mean(dim=1, keepdim=True)).expand(-1, cosines.shape[2])


def learn(data: FeatureData, options: LpPlusPlusOptions, watch: Watch) -> Weights:
    """ "weights" (R, C, D), "bias" (R, C) and "factors" (R, C), by gradients of the mean cross-entropy."""
    images, count = data.flat, data.flat.shape[1]
    one_hot = torch.nn.functional.one_hot(data.flat_labels, data.classes).to(images.dtype)
    cosines = images @ data.texts.mT
    weights, bias = one_hot.mT @ images, _first_bias(data)
    factors = first_factors(cosines, one_hot).clone()
    rate = 4 * count / torch.linalg.matrix_norm(images, ord=2).square()
    factor_rate = count / (4 * cosines.square().sum(1).amax(1))
    speed, bias_speed, summed = torch.zeros_like(weights), torch.zeros_like(bias), torch.zeros_like(factors)
    for epoch in range(1, options.epochs + 1):
        logits = images @ weights.mT + bias[:, None] + factors[:, None] * cosines
        check_finite(logits, f"the logits of step {epoch}")
        error = (logits.softmax(-1) - one_hot) / count
        speed = 0.9 * speed + error.mT @ images
        bias_speed = 0.9 * bias_speed + error.sum(1)
        summed = summed + (error * cosines).sum(1)
        weights, bias = weights - rate[:, None, None] * speed, bias - rate[:, None] * bias_speed
        if epoch % options.factor_every == 0:
            factors = factors - factor_rate[:, None] * summed
            if options.clear_gradient:
                summed = torch.zeros_like(summed)
        now = {"weights": weights, "bias": bias, "factors": factors}
        watch(epoch, lambda now=now: now)  # type: ignore[misc]
    return {"weights": weights, "bias": bias, "factors": factors}


def _first_bias(data: FeatureData) -> Tensor:
    """(R, C): as ``torch.nn.Linear`` begins, uniform within 1 / sqrt(D), drawn by seed."""
    bound = 1 / math.sqrt(data.texts.shape[1])
    drawn = [torch.rand(data.classes, generator=torch.Generator().manual_seed(seed)) for seed in data.seeds]
    return ((2 * torch.stack(drawn) - 1) * bound).to(data.texts.dtype)


def heads(learnt: Weights, data: FeatureData, options: LpPlusPlusOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        BlendedClassifier(data.texts, weights, bias, factors)
        for weights, bias, factors in zip(learnt["weights"], learnt["bias"], learnt["factors"], strict=True)
    ]


METHOD = FeatureMethod(
    name="lp-plus-plus",
    version=1,
    options=LpPlusPlusOptions,
    learn=learn,
    heads=heads,
    parameters=lambda data, options: data.texts.numel() + 2 * data.classes,
    steps=lambda data, options: options.epochs,
    last_of_equals=True,
)
