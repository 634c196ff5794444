"""CoCoOp: CoOp whose context each image moves, by a small network.

Source: Zhou et al. 2022 (arXiv 2203.05557), KaiyangZhou/CoOp, trainers/cocoop.py. Each image has texts of
its own. So every image, also a test image, costs as many passes of the text tower as there are classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.class_texts import ClassTexts
from vlmbench.transfer.prompted import PromptData, PromptedMethod, PromptOptions, first_context
from vlmbench.transfer.training import Weights


class CoCoOpOptions(PromptOptions):
    """The settings of CoCoOp. Defaults: methods.csv, row "CoCoOp"."""

    epochs: int | None = Field(10, ge=1, le=10_000, description="passes")
    batch_size: int = Field(1, ge=1, le=100_000, description="images in one step")
    reduction: int = Field(16, ge=1, le=64, description="the hidden layer has D divided by this many units")


def start(data: PromptData, options: CoCoOpOptions) -> Weights:
    """The context, and both layers as ``torch.nn.Linear`` begins: uniform within 1 / sqrt(inputs), drawn by seed."""
    length, width = data.hand.shape[1], data.classes.width
    hidden = max(1, length // options.reduction)
    generator = torch.Generator().manual_seed(data.seed)

    def drawn(inputs: int, *shape: int) -> Tensor:
        uniform = 2 * torch.rand(*shape, generator=generator) - 1
        return (uniform / math.sqrt(inputs)).to(data.words.dtype)

    return {
        "context": first_context(data, options),
        "down": drawn(length, hidden, length),
        "down_bias": drawn(length, hidden),
        "up": drawn(hidden, width, hidden),
        "up_bias": drawn(hidden, width),
    }


def logits(weights: Weights, classes: ClassTexts, images: Tensor) -> Tensor:
    """Cosines, (B, C), of (B, D) images with the texts of their own contexts."""
    hidden = torch.relu(F.linear(images, weights["down"], weights["down_bias"]))
    moves = F.linear(hidden, weights["up"], weights["up_bias"])
    texts = [classes.features(weights["context"] + move) for move in moves]
    return torch.stack([own @ image for own, image in zip(texts, images, strict=True)])


def loss(weights: Weights, data: PromptData, options: CoCoOpOptions, images: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, D) images with their (B,) labels."""
    return F.cross_entropy(data.logit_scale * logits(weights, data.classes, images), labels)


@dataclass(frozen=True)
class ConditionalClassifier:
    """Cosines of each image with texts that it moves itself. Each image costs C passes of the text tower."""

    weights: Weights
    classes: ClassTexts
    scale: float

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> Tensor:
        """(B, D) to (B, C)."""
        return logits(self.weights, self.classes, inputs)


def head(weights: Weights, data: PromptData, options: CoCoOpOptions) -> Classifier:
    """The classifier of one draw."""
    return ConditionalClassifier(weights, data.classes, data.logit_scale)


METHOD = PromptedMethod(
    name="cocoop", version=1, options=CoCoOpOptions, loss=loss, start=start, head=head, texts_of_each=True
)
