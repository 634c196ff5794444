"""APE: Tip-Adapter on the channels that tell classes apart, with votes weighted by zero-shot's doubt.

Source: Zhu et al. 2023 (arXiv 2304.01195), yangyangyang127/APE, utils.py. Departures: one set of settings for all data
sets, and the same prompts as zero-shot instead of descriptions by a language model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.methods.features.tip_adapter import GRID

_LEAST = 1e-6
"""Added to probabilities before their logarithm, as the public code does."""


class ApeOptions(MethodOptions):
    """The settings of APE."""

    alpha: float = Field(1.0, ge=0, le=1000, description="weight of the support images; 0 is zero-shot")
    beta: float = Field(5.5, ge=0, le=1000, description="how sharply votes fall with distance")
    gamma: float = Field(0.1, ge=0, le=100, description="how much more an image counts that zero-shot doubts")
    channels: float = Field(0.8, gt=0, le=1, description="share of the channels that are kept")
    similarity_weight: float = Field(0.7, ge=0, le=1, description="weight of the similarity of classes in the choice")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines with the texts")
    views: int = Field(1, ge=1, le=100, description="views of each support image, whose features are averaged")


@dataclass(frozen=True)
class ChannelClassifier:
    """Zero-shot logits plus votes on some of the channels.

    Attributes:
        texts: (C, D).
        keys: (N, Q), unit length.
        values: (N, C): each image's class, weighted.
        channels: (Q,) which channels.
    """

    texts: Tensor
    keys: Tensor
    values: Tensor
    channels: Tensor
    alpha: float
    beta: float
    text_scale: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C)."""
        own = F.normalize(inputs[:, self.channels], dim=-1)
        votes = torch.exp(-self.beta * (1 - own @ self.keys.T)) @ self.values
        return self.text_scale * inputs @ self.texts.T + self.alpha * votes


def kept_channels(texts: Tensor, count: int, similarity_weight: float) -> Tensor:
    """The channels in which texts of different classes are least alike and vary most, (Q,).

    Args:
        texts: (C, D), unit length.
    """
    classes = texts.shape[0]
    alike = (texts.sum(0).square() - texts.square().sum(0)) / (classes * (classes - 1))
    return (similarity_weight * alike - (1 - similarity_weight) * texts.var(0)).topk(count, largest=False).indices


def learn(data: FeatureData, options: ApeOptions, watch: Watch) -> tuple[Tensor, Tensor]:
    """The keys on all channels, (R, N, D), and how much zero-shot doubts each, (R, N)."""
    keys = F.normalize(data.images.mean(dim=1), dim=-1)
    probabilities = (keys @ data.texts.mT).softmax(-1)
    one_hot = data.one_hot
    doubt = (one_hot * torch.log2((one_hot + _LEAST) / (probabilities + _LEAST))).sum(-1)
    return keys, doubt


def heads(learnt: tuple[Tensor, Tensor], data: FeatureData, options: ApeOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    count = max(1, round(options.channels * data.texts.shape[1]))
    channels = kept_channels(data.texts, count, options.similarity_weight)
    return [
        ChannelClassifier(
            data.texts,
            F.normalize(keys[:, channels], dim=-1),
            values * (options.gamma * doubt).exp()[:, None],
            channels,
            options.alpha,
            options.beta,
            options.scale,
        )
        for keys, doubt, values in zip(*learnt, data.one_hot, strict=True)
    ]


METHOD = FeatureMethod(
    name="ape",
    version=1,
    options=ApeOptions,
    learn=learn,
    heads=heads,
    late={**GRID, "gamma": (0.0, 0.1, 0.2)},
)
