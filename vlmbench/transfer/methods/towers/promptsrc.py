"""PromptSRC: prompts of both towers are learnt, and features and logits stay close to those of the model without them.

Source: Khattak et al. 2023 (arXiv 2307.06948), muzairkhattak/PromptSRC, trainers/promptsrc.py. The learnt prompts are
the mean of those of all epochs, with weights from a Gaussian. Departures: the texts stay close to the task's own
prompts (public code: 60 templates of ImageNet); one recipe for all data sets, shots and settings; 32 bits, not 16. That
recipe takes the 50 epochs of the code's few-shot runs. The code's base-to-new runs take 20. In place of the code's two
few-shot Gaussians, of which each data set has one (mean 30 and deviation 30, or 45 and 5), the Gaussian is that of its
base-to-new runs as a share of the epochs: of 50 epochs, mean 37.5 and deviation 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.features import check_finite
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.imaged import (
    BOTH_TOWERS,
    ImagedData,
    ImagedMethod,
    WordedOptions,
    drawn,
    first_words,
)
from vlmbench.transfer.methods.towers.maple import text_features
from vlmbench.transfer.training import Weights


class PromptSrcOptions(WordedOptions):
    """The settings of PromptSRC. Defaults: methods.csv, row "PromptSRC"."""

    lr: float = Field(0.0025, gt=0, le=1000, description="learning rate of SGD")
    epochs: int = Field(50, ge=1, le=10_000, description="passes over the support images")
    vectors: int = Field(4, ge=1, le=64, description="how many of the first words' tokens are learnt, in each block")
    visual: int = Field(4, ge=1, le=64, description="visual prompts in each block")
    depth: int = Field(9, ge=1, le=100, description="how many blocks get prompts; of a shorter tower, all")
    text_weight: float = Field(25.0, ge=0, le=1000, description="factor of the distance to the features of texts")
    image_weight: float = Field(10.0, ge=0, le=1000, description="factor of the distance to the features of images")
    centre: float = Field(0.75, ge=0, le=1, description="centre of the epochs' Gaussian, as a share of the epochs")
    width: float = Field(0.05, gt=0, le=10, description="deviation of the epochs' Gaussian, as a share of the epochs")


def start(data: ImagedData, options: PromptSrcOptions) -> Weights:
    """The prompts of both towers.

    Returns:
        "context", (M, W), the first words; "deep", (L - 1, M, W), random, for the text tower's blocks after the first;
        "visual", (L, P, V), random, for the image tower's blocks.
    """
    tower, generator = data.tower, data.generator()
    context = first_words(data, options.vectors, options.words)
    deep = min(options.depth, data.texts.towers.text_layers) - 1
    depth = min(options.depth, tower.tower.image_layers)
    return {
        "context": context,
        "deep": drawn(generator, tower, deep, *context.shape),
        "visual": drawn(generator, tower, depth, options.visual, tower.tower.image_width),
    }


def loss(weights: Weights, data: ImagedData, options: PromptSrcOptions, pixels: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy, the mean distances of features to those without prompts, and the logits' divergence.

    The divergence is KL(without prompts || with), summed over the images, and divided by B C as in the public code.
    """
    texts = text_features(weights, data)
    images = data.tower.features(pixels, prompts=list(weights["visual"]))
    with torch.no_grad():
        frozen = data.tower.features(pixels)
    logits, frozen_logits = data.logit_scale * images @ texts.T, data.logit_scale * frozen @ data.hand.T
    own, teacher = logits.log_softmax(dim=1), frozen_logits.log_softmax(dim=1)
    apart = F.kl_div(own, teacher, reduction="sum", log_target=True) / logits.numel()
    text_distance, image_distance = F.l1_loss(texts, data.hand), F.l1_loss(images, frozen)
    distances = options.text_weight * text_distance + options.image_weight * image_distance
    return F.cross_entropy(logits, labels) + distances + apart


def head(weights: Weights, data: ImagedData, options: PromptSrcOptions) -> Classifier:
    """Cosines of prompted images and prompted texts."""
    with torch.no_grad():
        texts = text_features(weights, data)
    check_finite(texts, "the features of the learnt prompts")
    encode = partial(data.tower.features, prompts=list(weights["visual"]))
    return TowerClassifier(data.tower, encode, texts, data.logit_scale)


def shares(options: PromptSrcOptions) -> Sequence[float]:
    """The share of each epoch in the mean: a Gaussian over the epochs 1, 2, …; their sum does not matter."""
    away = [(epoch / options.epochs - options.centre) / options.width for epoch in range(1, options.epochs + 1)]
    nearest = min(map(abs, away))
    return [math.exp((nearest**2 - own**2) / 2) for own in away]


METHOD = ImagedMethod(
    name="promptsrc",
    version=1,
    options=PromptSrcOptions,
    start=start,
    loss=loss,
    head=head,
    shares=shares,
    needs=BOTH_TOWERS,
    changes_tokens=lambda options: True,
)
