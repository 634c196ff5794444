"""CoOp: the first words of the prompts are learnt, for all classes together or for each class.

Source: Zhou et al. 2021 (arXiv 2109.01134), KaiyangZhou/CoOp, trainers/coop.py. The class name is at the end. The
paper begins with 16 random vectors or with "a photo of a". Here the words are the default, because the random start can
collapse (its issue 24).
"""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions, first_context, shared_logits
from vlmbench.transfer.training import Weights


class CoOpOptions(PromptOptions):
    """The settings of CoOp. Defaults: methods.csv, row "CoOp"."""

    class_specific: bool = Field(False, description="learn a context for each class, which cannot score new classes")


def start(data: PromptData, options: CoOpOptions) -> Weights:
    """The context: "context", (M, W), or (C, M, W) with a context for each class, all of which begin alike."""
    context = first_context(data, options)
    return {"context": context.repeat(len(data.classes), 1, 1) if options.class_specific else context}


def loss(weights: Weights, data: PromptData, options: PromptOptions, images: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, D) images with their (B,) labels."""
    return F.cross_entropy(shared_logits(weights, data, images), labels)


METHOD = PromptedMethod(
    name="coop",
    version=1,
    options=CoOpOptions,
    loss=loss,
    start=start,
    new_classes=lambda options: not options.class_specific,
)
