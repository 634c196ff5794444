"""Linear probe: multinomial logistic regression on image features, by L-BFGS. The texts are not used.

Source: CLIP (Radford et al. 2021, section 3.2) and CoOp, lpclip/linear_probe.py, both with scikit-learn. Departures:
the features have unit length here, so that the same C regularises more (``length`` gives them another length); and
validation compares CoOp's seven values of C, without the eight halvings that follow there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from torch import Tensor

from vlmbench.errors import TransferError
from vlmbench.transfer.base import Classifier, LinearClassifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.training import Weights


class LinearProbeOptions(MethodOptions):
    """The settings of the linear probe.

    Default of C: linear_probe.csv, "openai/CLIP README example". Others: methods.csv, row "Linear probe (CoOp lpclip)".
    """

    c: float = Field(0.316, gt=0, le=1e9, description="inverse strength of the L2 penalty, as scikit-learn defines C")
    length: float = Field(1.0, gt=0, le=1000, description="length of the image features")
    iterations: int = Field(1000, ge=1, le=100_000, description="most iterations of L-BFGS, converged or not")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")


def objective(
    flat: NDArray[np.float64], images: Tensor, one_hot: Tensor, c: float
) -> tuple[float, NDArray[np.float64]]:
    """scikit-learn's objective divided by C·N, and its gradient.

    Mean cross-entropy plus ``|W|² / (2 C N)``; the bias is not penalised.

    Args:
        flat: (C·(D + 1),): the weights of each class with its bias last.
        images: (N, D) float64.
        one_hot: (N, C) float64.
    """
    count, width = images.shape
    weights = torch.from_numpy(flat).view(one_hot.shape[1], width + 1)
    logits = images @ weights[:, :-1].T + weights[:, -1]
    penalty = 1 / (c * count)
    loss = (logits.logsumexp(1) - (logits * one_hot).sum(1)).mean() + 0.5 * penalty * weights[:, :-1].square().sum()
    error = (logits.softmax(1) - one_hot) / count
    gradient = torch.cat([error.T @ images + penalty * weights[:, :-1], error.sum(0)[:, None]], dim=1)
    return float(loss), gradient.flatten().numpy()


def _fitted(images: Tensor, one_hot: Tensor, options: LinearProbeOptions) -> Tensor:
    """(C, D + 1) of one draw.

    Raises:
        TransferError: L-BFGS gave no numbers.
    """
    size = one_hot.shape[1] * (images.shape[1] + 1)
    found = minimize(
        objective,
        np.zeros(size),
        args=(options.length * images.double(), one_hot.double(), options.c),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": options.iterations, "maxfun": 100 * options.iterations, "gtol": 1e-6, "ftol": 1e-12},
    )
    if not np.isfinite(found.x).all():
        raise TransferError("the linear probe did not converge to numbers")
    return torch.from_numpy(found.x).view(one_hot.shape[1], -1)


def learn(data: FeatureData, options: LinearProbeOptions, watch: Watch) -> Weights:
    """Weights and biases: "head", (R, C, D + 1) float64."""
    one_hot = torch.nn.functional.one_hot(data.flat_labels, data.classes)
    return {"head": torch.stack([_fitted(*each, options) for each in zip(data.flat, one_hot, strict=True)])}


def heads(learnt: Weights, data: FeatureData, options: LinearProbeOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [
        LinearClassifier(options.length * own[:, :-1], 1.0, own[:, -1]) for own in learnt["head"].to(data.texts.dtype)
    ]


METHOD = FeatureMethod(
    name="linear-probe",
    version=1,
    options=LinearProbeOptions,
    learn=learn,
    heads=heads,
    early={"c": (1e6, 1e4, 1e2, 1.0, 1e-2, 1e-4, 1e-6)},
    parameters=lambda data, options: data.texts.numel() + data.classes,
)
