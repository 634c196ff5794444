"""Tip-Adapter: support images vote for their classes by how near they are; nothing is trained.

Source: Zhang et al. 2022 (arXiv 2111.03930), gaopengcuhk/Tip-Adapter, main.py. Departure: one grid of alpha and beta
for all data sets in the validation tracks, where the public code has one for each data set.
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

_AT_ONCE = 512
"""Images whose votes are in memory at once."""
GRID = {
    "beta": tuple(round(0.5 * 1.4**step, 4) for step in range(12)),
    "alpha": tuple(round(0.1 * 1.5**step, 4) for step in range(16)),
}
"""What validation chooses among, for every data set: beta from 0.5 to 20, and for each, alpha from 0.1 to 44. The first
of equals is chosen, in the order of the public code."""


class TipAdapterOptions(MethodOptions):
    """The settings of Tip-Adapter. Defaults: methods.csv, row "Tip-Adapter"."""

    alpha: float = Field(1.0, ge=0, le=1000, description="weight of the support images; 0 is zero-shot")
    beta: float = Field(5.5, ge=0, le=1000, description="how sharply votes fall with distance")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines with the texts")
    views: int = Field(1, ge=1, le=100, description="views of each support image, whose features are averaged")


@dataclass(frozen=True)
class CacheClassifier:
    """Zero-shot logits plus the votes of the support images.

    Attributes:
        texts: (C, D).
        keys: (N, D), unit length.
        labels: (N,): the class of each key.
    """

    texts: Tensor
    keys: Tensor
    labels: Tensor
    alpha: float
    beta: float
    text_scale: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C): ``scale f·t + alpha exp(-beta (1 - f·k)) v``."""
        parts = [self._votes(part) for part in torch.split(inputs, _AT_ONCE)]
        votes = torch.cat(parts) if parts else inputs.new_empty(0, len(self.texts))
        return self.text_scale * inputs @ self.texts.T + self.alpha * votes

    def _votes(self, inputs: Tensor) -> Tensor:
        """The sum over the keys of each class; a product with one-hot rows would take three times as long."""
        offset = inputs.new_full((1, 1), -1.0)
        each = torch.addmm(offset, self.keys, inputs.T, beta=self.beta, alpha=self.beta).exp_()
        return inputs.new_zeros(len(self.texts), len(inputs)).index_add_(0, self.labels, each).T


def learn(data: FeatureData, options: TipAdapterOptions, watch: Watch) -> Tensor:
    """The keys, (R, N, D): each image's mean view, of unit length."""
    return F.normalize(data.images.mean(dim=1), dim=-1)


def heads(keys: Tensor, data: FeatureData, options: TipAdapterOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        CacheClassifier(data.texts, own, labels, options.alpha, options.beta, options.scale)
        for own, labels in zip(keys, data.labels, strict=True)
    ]


METHOD = FeatureMethod(
    name="tip-adapter",
    version=1,
    options=TipAdapterOptions,
    learn=learn,
    heads=heads,
    late=GRID,
)
