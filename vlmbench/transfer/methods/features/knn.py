"""k-NN: the nearest support images vote, each with a weight that falls with its distance.

Source: the weighted k-NN of Wu et al. 2018 (arXiv 1805.01978), temperature 0.07. The texts are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch


class KnnOptions(MethodOptions):
    """The settings of k-NN."""

    neighbours: int = Field(5, ge=1, le=10_000, description="how many nearest images vote; all if there are fewer")
    temperature: float = Field(0.07, gt=0, le=100, description="a vote weighs exp(cosine / temperature)")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")


@dataclass(frozen=True)
class NeighbourClassifier:
    """The share of the votes that each class gets; a class without a vote has 0.

    Attributes:
        keys: (N, D), unit length.
        values: (N, C), one-hot.
    """

    keys: Tensor
    values: Tensor
    neighbours: int
    temperature: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C), rows of sum 1."""
        nearest, places = (inputs @ self.keys.T).topk(min(self.neighbours, len(self.keys)), dim=1)
        votes = (nearest / self.temperature).softmax(dim=1)
        return torch.einsum("bk,bkc->bc", votes, self.values[places])


def learn(data: FeatureData, options: KnnOptions, watch: Watch) -> tuple[Tensor, Tensor]:
    """The support images and their classes."""
    return data.flat, torch.nn.functional.one_hot(data.flat_labels, data.classes).to(data.images.dtype)


def heads(learnt: tuple[Tensor, Tensor], data: FeatureData, options: KnnOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        NeighbourClassifier(keys, values, options.neighbours, options.temperature)
        for keys, values in zip(*learnt, strict=True)
    ]


METHOD = FeatureMethod(
    name="knn", version=1, options=KnnOptions, learn=learn, heads=heads, late={"neighbours": (1, 3, 5, 10, 20)}
)
