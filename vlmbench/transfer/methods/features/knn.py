"""k-NN: the nearest support images vote, each with a weight that falls with its distance.

Source: the weighted k-NN of Wu et al. 2018 (arXiv 1805.01978), temperature 0.07. The texts are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch


class KnnOptions(MethodOptions):
    """The settings of k-NN. The temperature is the source's; its 200 neighbours are for whole data sets, here 5."""

    neighbours: int = Field(5, ge=1, le=10_000, description="how many nearest images vote; all if there are fewer")
    temperature: float = Field(0.07, gt=0, le=100, description="a vote weighs exp(cosine / temperature)")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")


@dataclass(frozen=True)
class NeighbourClassifier:
    """The share of the votes that each class gets; a class without a vote has 0.

    Attributes:
        keys: (N, D), unit length.
        labels: (N,): the class of each key.
        classes: C.
    """

    keys: Tensor
    labels: Tensor
    classes: int
    neighbours: int
    temperature: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C), rows of sum 1."""
        nearest, places = (inputs @ self.keys.T).topk(min(self.neighbours, len(self.keys)), dim=1)
        votes = (nearest / self.temperature).softmax(dim=1)
        return votes.new_zeros(len(inputs), self.classes).scatter_add(1, self.labels[places], votes)


def learn(data: FeatureData, options: KnnOptions, watch: Watch) -> tuple[Tensor, Tensor]:
    """The support images and their classes."""
    return data.flat, data.flat_labels


def heads(learnt: tuple[Tensor, Tensor], data: FeatureData, options: KnnOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        NeighbourClassifier(keys, labels, data.classes, options.neighbours, options.temperature)
        for keys, labels in zip(*learnt, strict=True)
    ]


METHOD = FeatureMethod(
    name="knn", version=1, options=KnnOptions, learn=learn, heads=heads, late={"neighbours": (1, 3, 5, 10, 20)}
)
