"""KgCoOp: CoOp whose texts stay close to those of hand-made prompts.

Source: Yao et al. 2023 (arXiv 2303.13283), htyao89/KgCoOp, trainers/kgcoop.py. The hand-made prompts are those of the
task.
"""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions
from vlmbench.transfer.training import Weights


class KgCoOpOptions(PromptOptions):
    """The settings of KgCoOp. Defaults: methods.csv, row "KgCoOp"."""

    distance: float = Field(8.0, ge=0, le=1000, description="factor of the distance to the hand-made prompts")
    epochs: int | None = Field(100, ge=1, le=10_000, description="passes")
    batch_size: int = Field(128, ge=1, le=100_000, description="images in one step")


def loss(weights: Weights, data: PromptData, options: KgCoOpOptions, images: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy, and the mean of 1 - cosine between each class's text and its hand-made one."""
    texts = data.classes.features(weights["context"])
    away = 1 - (texts * data.hand).sum(dim=-1)
    return F.cross_entropy(data.logit_scale * images @ texts.T, labels) + options.distance * away.mean()


METHOD = PromptedMethod(name="kgcoop", version=1, options=KgCoOpOptions, loss=loss)
