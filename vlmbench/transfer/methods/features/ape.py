"""APE: Tip-Adapter on the channels that tell classes apart, with votes weighted by zero-shot's doubt.

Source: Zhu et al. 2023 (arXiv 2304.01195), yangyangyang127/APE, main.py and utils.py. Departures: one set of settings
for all data sets, the same prompts as zero-shot instead of descriptions by a language model, and channels that are
chosen by the texts alone (a version of the public code takes the support images too).
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
from vlmbench.transfer.methods.features.tip_adapter import GRID, CacheClassifier, Votes, first_keys

_LEAST = 1e-6
"""Added to probabilities before their logarithm, as the public code does."""


class ApeOptions(MethodOptions):
    """The settings of APE. Formula: methods.csv, row "APE", which searches all of them; the defaults are ours."""

    alpha: float = Field(1.0, ge=0, le=1000, description="weight of the support images; 0 is zero-shot")
    beta: float = Field(5.5, ge=0, le=1000, description="how sharply votes fall with distance")
    gamma: float = Field(0.1, ge=0, le=100, description="how much more an image counts that zero-shot doubts")
    channels: float = Field(0.8, gt=0, le=1, description="share of the channels that are kept")
    similarity_weight: float = Field(0.7, ge=0, le=1, description="weight of the similarity of classes in the choice")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines with the texts")
    views: int = Field(1, ge=1, le=100, description="views of each support image, whose features are averaged")


def kept_channels(texts: Tensor, count: int, similarity_weight: float) -> Tensor:
    """The channels in which texts of different classes are least alike and vary most, (Q,).

    Args:
        texts: (C, D), unit length.
    """
    classes = texts.shape[0]
    alike = (texts.sum(0).square() - texts.square().sum(0)) / (classes * (classes - 1))
    return (similarity_weight * alike - (1 - similarity_weight) * texts.var(0)).topk(count, largest=False).indices


@dataclass(frozen=True)
class Weighted:
    """What one draw learns.

    Attributes:
        doubt: (N,): how much zero-shot doubts each support image.
    """

    votes: Votes
    doubt: Tensor


def learn(data: FeatureData, options: ApeOptions, watch: Watch) -> list[Weighted]:
    """Keys and texts are cut to the kept channels, and zero-shot's doubt is found there, as in the public code."""
    count = max(1, round(options.channels * data.texts.shape[1]))
    channels = kept_channels(data.texts, count, options.similarity_weight)
    keys = F.normalize(first_keys(data)[..., channels], dim=-1)
    probabilities = (keys @ F.normalize(data.texts[:, channels], dim=-1).mT).softmax(-1)
    one_hot = data.one_hot
    doubt = (one_hot * torch.log2((one_hot + _LEAST) / (probabilities + _LEAST))).sum(-1)
    each = zip(keys, data.labels, doubt, strict=True)
    return [Weighted(Votes(own, labels, data.classes, channels), doubts) for own, labels, doubts in each]


def heads(learnt: Sequence[Weighted], data: FeatureData, options: ApeOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        CacheClassifier(
            data.texts,
            own.votes,
            options.alpha,
            options.beta,
            options.scale,
            (options.gamma * own.doubt).exp(),
            options.gamma,
        )
        for own in learnt
    ]


METHOD = FeatureMethod(
    name="ape",
    version=1,
    options=ApeOptions,
    learn=learn,
    heads=heads,
    late={"beta": GRID["beta"], "gamma": (0.0, 0.1, 0.2), "alpha": GRID["alpha"]},
)
