"""MaPLe: prompts of both towers are learnt; those of the image tower are made from those of the text tower.

Source: Khattak et al. 2022 (arXiv 2210.03117), muzairkhattak/multimodal-prompt-learning, trainers/maple.py. The recipe
is that of base-to-new, since one for few shots is not published. Departure: 32 bits, not 16.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier
from vlmbench.transfer.features import check_finite
from vlmbench.transfer.image_tower import ImageTower, TowerClassifier
from vlmbench.transfer.imaged import (
    BOTH_TOWERS,
    ImagedData,
    ImagedMethod,
    WordedOptions,
    drawn,
    first_words,
)
from vlmbench.transfer.training import Weights


class MapleOptions(WordedOptions):
    """The settings of MaPLe. Defaults: methods.csv, row "MaPLe"."""

    lr: float = Field(0.0035, gt=0, le=1000, description="learning rate of SGD")
    vectors: int = Field(2, ge=1, le=64, description="how many of the first words' tokens are learnt, in each block")
    depth: int = Field(9, ge=1, le=100, description="how many blocks get prompts; of a shorter tower, all")


def start(data: ImagedData, options: MapleOptions) -> Weights:
    """The prompts of texts, and the maps that make visual prompts from them.

    Returns:
        "context", (M, W), the first words; "deep", (L - 1, M, W), random, for the blocks after the first; "map",
        (V, W), and "map_bias", (V,); "deep_map", (L - 1, V, W), and "deep_map_bias", (L - 1, V). The deep maps begin
        alike, as in the public code, which copies one.
    """
    tower, generator = data.tower, data.generator()
    depth = min(options.depth, tower.tower.image_layers, data.texts.towers.text_layers)
    context = first_words(data, options.vectors, options.words)
    wide, narrow = tower.tower.image_width, context.shape[1]
    deep = drawn(generator, tower, depth - 1, *context.shape)
    first_map, deep_map = (_linear(generator, tower, wide, narrow) for _ in range(2))
    return {
        "context": context,
        "deep": deep,
        "map": first_map[0],
        "map_bias": first_map[1],
        "deep_map": deep_map[0].repeat(depth - 1, 1, 1),
        "deep_map_bias": deep_map[1].repeat(depth - 1, 1),
    }


def _linear(generator: torch.Generator, tower: ImageTower, outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
    """The weight and bias of a layer as ``torch.nn.Linear`` begins: uniform within 1 / sqrt(inputs)."""
    weight, bias = (
        tower.moved((2 * torch.rand(*shape, generator=generator) - 1) / math.sqrt(inputs))
        for shape in ((outputs, inputs), (outputs,))
    )
    return weight, bias


def text_features(weights: Weights, data: ImagedData) -> Tensor:
    """(C, D): the texts with the learnt prompts. First words that are not learnt stay as they are."""
    context = torch.cat([weights["context"], data.words[len(weights["context"]) :]])
    found = data.texts.features(context, deep=list(weights["deep"]))
    return data.tower.moved(found)


def visual_prompts(weights: Weights) -> list[Tensor]:
    """For each block that gets prompts, its visual prompts, (M, V)."""
    first = F.linear(weights["context"], weights["map"], weights["map_bias"])
    deep = zip(weights["deep"], weights["deep_map"], weights["deep_map_bias"], strict=True)
    return [first, *(F.linear(states, own, bias) for states, own, bias in deep)]


def loss(weights: Weights, data: ImagedData, options: MapleOptions, pixels: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, 3, H, W) images with their (B,) labels."""
    images = data.tower.features(pixels, prompts=visual_prompts(weights))
    return F.cross_entropy(data.logit_scale * images @ text_features(weights, data).T, labels)


def head(weights: Weights, data: ImagedData, options: MapleOptions) -> Classifier:
    """Cosines of prompted images and prompted texts."""
    with torch.no_grad():
        texts, prompts = text_features(weights, data), visual_prompts(weights)
    check_finite(texts, "the features of the learnt prompts")
    return TowerClassifier(data.tower, partial(data.tower.features, prompts=prompts), texts, data.logit_scale)


METHOD = ImagedMethod(
    name="maple",
    version=1,
    options=MapleOptions,
    start=start,
    loss=loss,
    head=head,
    needs=BOTH_TOWERS,
    changes_tokens=lambda options: True,
)
