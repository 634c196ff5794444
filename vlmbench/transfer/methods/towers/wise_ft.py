"""WiSE-FT of the whole image tower: the mean of the zero-shot model's weights and of those that were fine-tuned.

Source: Wortsman et al. 2021 (arXiv 2109.01903), mlfoundations/wise-ft, src/wise_ft.py. Training, with its departures,
is that of full-ft: up to 512 support images in all, it takes 10 steps.
"""

from __future__ import annotations

import torch
from pydantic import Field

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.imaged import ImagedData, ImagedMethod
from vlmbench.transfer.methods.towers import full_ft
from vlmbench.transfer.methods.towers.full_ft import FullFtOptions
from vlmbench.transfer.training import Weights


class WiseFtOptions(FullFtOptions):
    """The settings of WiSE-FT. Defaults: methods.csv, row "WiSE-FT"."""

    alpha: float = Field(0.5, ge=0, le=1, description="share of the trained weights; 0 is zero-shot")


def head(weights: Weights, data: ImagedData, options: WiseFtOptions) -> Classifier:
    """The tower and the head of the mean weights: (1 - alpha) start + alpha trained."""
    first = full_ft.start(data, options)
    mixed = {name: torch.lerp(first[name], value, options.alpha) for name, value in weights.items()}
    return full_ft.head(mixed, data, options)


METHOD = ImagedMethod(
    name="wise-ft",
    version=1,
    options=WiseFtOptions,
    start=full_ft.start,
    loss=full_ft.loss,
    head=head,
    late={"alpha": tuple(step / 10 for step in range(11))},
    scores_new_classes=False,
)
