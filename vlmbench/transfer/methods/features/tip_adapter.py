"""Tip-Adapter: support images vote for their classes by how near they are; nothing is trained.

Source: Zhang et al. 2022 (arXiv 2111.03930), gaopengcuhk/Tip-Adapter, main.py. Departure: one grid of alpha and beta
for all data sets in the validation tracks, where the public code has one for each data set.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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
    """The settings of Tip-Adapter.

    Defaults: the alpha and beta of the public code before its search (methods.csv, row "Tip-Adapter") differ from data
    set to data set. Here they are those of its paper's first experiments, alpha 1 and beta 5.5, for all.
    """

    alpha: float = Field(1.0, ge=0, le=1000, description="weight of the support images; 0 is zero-shot")
    beta: float = Field(5.5, ge=0, le=1000, description="how sharply votes fall with distance")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines with the texts")
    views: int = Field(1, ge=1, le=100, description="views of each support image, whose features are averaged")


class Votes:
    """The votes of one draw's support images. The last answer is kept, since validation asks again for each setting.

    Args:
        keys: (N, Q), unit length.
        labels: (N,): the class of each key.
        classes: C.
        channels: (Q,): those of the inputs that are compared; None: all.
    """

    def __init__(self, keys: Tensor, labels: Tensor, classes: int, channels: Tensor | None = None) -> None:
        self._keys, self._labels, self._classes, self._channels = keys, labels, classes, channels
        self._last: tuple[Tensor, tuple[float, Hashable], Tensor] | None = None

    def of(self, inputs: Tensor, beta: float, weights: Tensor | None = None, named: Hashable = None) -> Tensor:
        """(B, D) to (B, C): ``exp(-beta (1 - f·k))``, summed over the keys of each class.

        Args:
            weights: (N,), a factor for each key.
            named: what tells these weights from others.
        """
        if self._last is not None and self._last[0] is inputs and self._last[1] == (beta, named):
            return self._last[2]
        parts = [self._part(part, beta, weights) for part in torch.split(inputs, _AT_ONCE)]
        found = torch.cat(parts) if parts else inputs.new_empty(0, self._classes)
        self._last = inputs, (beta, named), found
        return found

    def _part(self, inputs: Tensor, beta: float, weights: Tensor | None) -> Tensor:
        """The sum over the keys of each class; a product with one-hot rows would take three times as long."""
        if self._channels is not None:
            inputs = F.normalize(inputs[:, self._channels], dim=-1)
        offset = inputs.new_full((1, 1), -1.0)
        each = torch.addmm(offset, self._keys, inputs.T, beta=beta, alpha=beta).exp_()
        if weights is not None:
            each *= weights[:, None]
        return inputs.new_zeros(self._classes, len(inputs)).index_add_(0, self._labels, each).T


@dataclass(frozen=True)
class CacheClassifier:
    """Zero-shot logits plus the votes of the support images.

    Attributes:
        texts: (C, D).
        weights: (N,), a factor for each image's vote; None: they are equal.
        named: what tells these weights from others.
    """

    texts: Tensor
    votes: Votes
    alpha: float
    beta: float
    text_scale: float
    weights: Tensor | None = None
    named: Hashable = None
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C): ``scale f·t + alpha exp(-beta (1 - f·k)) v``."""
        votes = self.votes.of(inputs, self.beta, self.weights, self.named)
        return self.text_scale * inputs @ self.texts.T + self.alpha * votes


def votes_of(keys: Tensor, data: FeatureData) -> tuple[Votes, ...]:
    """The votes of each draw: keys (R, N, D)."""
    return tuple(Votes(own, labels, data.classes) for own, labels in zip(keys, data.labels, strict=True))


def first_keys(data: FeatureData) -> Tensor:
    """The keys, (R, N, D): each image's mean view, of unit length."""
    return F.normalize(data.images.mean(dim=1), dim=-1)


def learn(data: FeatureData, options: TipAdapterOptions, watch: Watch) -> tuple[Votes, ...]:
    """The votes of each draw."""
    return votes_of(first_keys(data), data)


def heads(learnt: Sequence[Votes], data: FeatureData, options: TipAdapterOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [CacheClassifier(data.texts, own, options.alpha, options.beta, options.scale) for own in learnt]


METHOD = FeatureMethod(
    name="tip-adapter",
    version=1,
    options=TipAdapterOptions,
    learn=learn,
    heads=heads,
    late=GRID,
)
