"""ProGrad: CoOp whose steps do not go against what zero-shot says.

Source: Zhu et al. 2022 (arXiv 2205.14865), BeierZhu/Prompt-align, trainers/prograd.py. Its zero-shot teacher has
templates of its own; here it is the zero-shot classifier of the task's prompts. Its factor is 0.8 for some data sets;
here it is 1 for all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions, shared_logits
from vlmbench.transfer.training import Weights


class ProGradOptions(PromptOptions):
    """The settings of ProGrad. Defaults: methods.csv, row "ProGrad"."""

    removed: float = Field(1.0, ge=0, le=1, description="share of the opposing part of a gradient that is removed")


def projected(gradient: Tensor, general: Tensor, removed: float) -> Tensor:
    """A gradient without its part against another: g if g.k >= 0, else g - removed * (g.k) k / ||k||^2."""
    along = (gradient * general).sum()
    if along >= 0:
        return gradient
    return gradient - removed * along * general / general.square().sum()


def loss(weights: Weights, data: PromptData, options: ProGradOptions, images: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy as a number; its gradient is the projected one.

    The general direction is the gradient of KL(zero-shot || learnt).
    """
    context = weights["context"]
    logits = shared_logits(weights, data, images)
    own = F.cross_entropy(logits, labels)
    teacher = (data.logit_scale * images @ data.hand.T).log_softmax(dim=-1)
    general = F.kl_div(logits.log_softmax(dim=-1), teacher, reduction="batchmean", log_target=True)
    gradients = torch.autograd.grad([logits], [context], _at(logits, own), retain_graph=True)
    opposing = torch.autograd.grad([logits], [context], _at(logits, general))
    step = projected(gradients[0], opposing[0], options.removed)
    along = (step * context).sum()
    return own.detach() + along - along.detach()


def _at(logits: Tensor, loss: Tensor) -> Tensor:
    """The gradient of a loss for the logits."""
    return torch.autograd.grad(loss, logits, retain_graph=True)[0]


METHOD = PromptedMethod(name="prograd", version=1, options=ProGradOptions, loss=loss)
