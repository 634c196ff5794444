"""WiSE-FT of the linear head: the mean of the zero-shot classifier and of one that was trained from it.

Source: Wortsman et al. 2021 (arXiv 2109.01903), mlfoundations/wise-ft. Departure: ZS-LP's recipe trains the head, since
the public recipe is for whole towers on full data sets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from pydantic import Field

from vlmbench.transfer.base import Classifier, LinearClassifier
from vlmbench.transfer.features import FeatureData, FeatureMethod
from vlmbench.transfer.methods.features.zs_lp import LinearHeadOptions, learn
from vlmbench.transfer.training import Weights


class WiseFtHeadOptions(LinearHeadOptions):
    """The settings of WiSE-FT. Default: methods.csv, row "WiSE-FT"."""

    alpha: float = Field(0.5, ge=0, le=1, description="share of the trained head; 0 is zero-shot")


def heads(weights: Weights, data: FeatureData, options: WiseFtHeadOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    start = options.text_length * data.texts
    mixed = (1 - options.alpha) * start + options.alpha * weights["head"]
    return [LinearClassifier(own, options.scale) for own in F.normalize(mixed, dim=-1)]


METHOD = FeatureMethod(
    name="wise-ft-head",
    version=1,
    options=WiseFtHeadOptions,
    learn=learn,
    heads=heads,
    late={"alpha": tuple(step / 10 for step in range(11))},
    parameters=lambda data, options: data.texts.numel(),
    steps=lambda data, options: options.recipe.steps(data.images.shape[2]),
)
