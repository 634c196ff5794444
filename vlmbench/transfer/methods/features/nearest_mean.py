"""Nearest class mean: an image goes to the class whose support images have the nearest mean feature.

Source: the prototypes of Snell et al. 2017 (arXiv 1703.05175), with cosines. The texts are not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, LinearClassifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch


class NearestMeanOptions(MethodOptions):
    """The settings of nearest class mean."""

    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines before a softmax")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")


def class_means(images: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The mean feature of each class: (R, N, D) and (R, N) to (R, C, D)."""
    draws, _, width = images.shape
    places = labels + classes * torch.arange(draws)[:, None]
    sums = images.new_zeros(draws * classes, width).index_add_(0, places.flatten(), images.flatten(0, 1))
    counts = torch.bincount(places.flatten(), minlength=draws * classes)
    return (sums / counts[:, None]).view(draws, classes, width)


def learn(data: FeatureData, options: NearestMeanOptions, watch: Watch) -> Tensor:
    """The means of the classes, (R, C, D), unit length."""
    return F.normalize(class_means(data.flat, data.flat_labels, data.classes), dim=-1)


def heads(means: Tensor, data: FeatureData, options: NearestMeanOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [LinearClassifier(own, options.scale) for own in means]


METHOD = FeatureMethod(name="nearest-mean", version=1, options=NearestMeanOptions, learn=learn, heads=heads)
