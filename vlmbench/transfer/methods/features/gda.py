"""GDA: Gaussian discriminant analysis of the support features, added to zero-shot; a closed form.

Source: Wang et al. 2024 (arXiv 2402.04087), mrflogs/ICLR24. Departures: alpha is fixed without validation, where the
public code chooses it on the full validation split; and the pseudo-inverse is one solve, since the matrix is positive
definite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.methods.features.nearest_mean import class_means
from vlmbench.transfer.training import Weights, rows_of

_NOTHING = 1e-12
"""A trace of the covariance up to this is rounding: float32 tells features of unit length apart by about 1e-7."""


class GdaOptions(MethodOptions):
    """The settings of GDA. Defaults: methods.csv, row "GDA (hard-to-beat baseline)"."""

    alpha: float = Field(1.0, ge=0, le=1000, description="weight of the Gaussian classifier; 0 is zero-shot")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the cosines with the texts")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")


@dataclass(frozen=True)
class GaussianClassifier:
    """Zero-shot logits plus those of Gaussian discriminant analysis.

    Attributes:
        texts: (C, D).
        weights: (C, D).
        bias: (C,).
    """

    texts: Tensor
    weights: Tensor
    bias: Tensor
    alpha: float
    text_scale: float
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C): ``scale f·t + alpha (f·w + b)``."""
        return self.text_scale * inputs @ self.texts.T + self.alpha * (inputs @ self.weights.T + self.bias)


def learn(data: FeatureData, options: GdaOptions, watch: Watch) -> Weights:
    """Weights and bias of the Gaussian classifier: "weights", (R, C, D), and "bias", (R, C).

    All zero where the covariance is zero, as with one image of each class and one view: it is zero-shot then.
    """
    images = data.flat.double()
    means = class_means(images, data.flat_labels, data.classes)
    centred = images - rows_of(means, data.flat_labels)
    count, width = images.shape[1], images.shape[2]
    scatter = centred.mT @ centred
    # with S = scatter / (count - 1), the public code inverts (count - 1) S + tr(S) I
    trace = scatter.diagonal(dim1=-2, dim2=-1).sum(-1) / max(count - 1, 1)
    ridge = trace[:, None, None] * torch.eye(width, dtype=scatter.dtype)
    known = trace > _NOTHING
    safe = torch.where(known[:, None, None], scatter + ridge, torch.eye(width, dtype=scatter.dtype))
    weights = width * torch.linalg.solve(safe, means.mT).mT
    weights = weights * known[:, None, None]
    bias = math.log(1 / data.classes) - 0.5 * (means * weights).sum(-1)
    return {"weights": weights.to(data.texts.dtype), "bias": (bias * known[:, None]).to(data.texts.dtype)}


def heads(learnt: Weights, data: FeatureData, options: GdaOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        GaussianClassifier(data.texts, weights, bias, options.alpha, options.scale)
        for weights, bias in zip(learnt["weights"], learnt["bias"], strict=True)
    ]


METHOD = FeatureMethod(
    name="gda",
    version=1,
    options=GdaOptions,
    learn=learn,
    heads=heads,
    late={"alpha": tuple(10.0**power for power in range(-4, 3))},
)
