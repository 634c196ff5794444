"""CLIP-LoRA: low-rank updates of the queries, keys and values in every block of both towers are learnt.

Source: Zanella and Ben Ayed 2024 (arXiv 2405.18541), MaxZanella/CLIP-LoRA, lora.py, loralib/layers.py. It computes in
16 bits; here it is 32. Its factor of cosines is 100, that of CLIP; here it is the model's own. Its prompts are "a photo
of a NAME." for all data sets, and it begins as zero-shot with these texts. The task's own prompts are an option; with
them each step takes the texts of all templates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from vlmbench.models.tunable import Projection, Update
from vlmbench.transfer.base import Classifier
from vlmbench.transfer.features import check_finite
from vlmbench.transfer.image_tower import TowerClassifier
from vlmbench.transfer.imaged import BOTH_TOWERS, ImagedData, ImagedMethod, WordedOptions
from vlmbench.transfer.methods.zero_shot import ensemble
from vlmbench.transfer.training import Recipe, Weights

Side: TypeAlias = Literal["image", "text"]
PROJECTIONS: tuple[Projection, ...] = ("q", "k", "v")
LOWEST_LR = 1e-6
"""Where the cosine of the learning rate ends (methods.csv, row "CLIP-LoRA")."""


class ClipLoraOptions(WordedOptions):
    """The settings of CLIP-LoRA. Defaults: methods.csv, row "CLIP-LoRA"."""

    words: str = Field("a photo of a", description="first words of the prompts; empty: the task's own prompts")
    lr: float = Field(2e-4, gt=0, le=1000, description="learning rate of AdamW at the first step")
    weight_decay: float = Field(0.01, ge=0, le=1, description="weight decay of AdamW")
    iterations: int = Field(500, ge=1, le=100_000, description="steps for each shot")
    epochs: int = Field(1_000_000, ge=1, le=1_000_000, description="most passes over the support images")
    batch_size: int = Field(32, ge=1, le=100_000, description="images in one step")
    rank: int = Field(2, ge=1, le=1024, description="r, the rank of an update")
    alpha: float = Field(1.0, gt=0, le=1000, description="factor of an update, before it is divided")
    divide: Literal["rank", "root"] = Field(
        "rank", description="what alpha is divided by: r (methods.csv), or its square root (the public code)"
    )
    dropout: float = Field(0.25, ge=0, lt=1, description="share of an update's inputs that each step leaves out")
    encoder: Literal["both", "image", "text"] = Field(
        "both", description="the towers that are updated; with text, the image tower may be a ResNet"
    )

    def recipe(self, images: int, shots: float) -> Recipe:
        """AdamW, and a cosine by step."""
        return Recipe(
            "adamw",
            self.lr,
            self.epochs,
            self.batch_size,
            weight_decay=self.weight_decay,
            schedule="cosine by step",
            lowest_lr=LOWEST_LR,
            most_steps=max(1, round(self.iterations * shots)),
        )

    @property
    def factor(self) -> float:
        """What an update is multiplied by."""
        return self.alpha / (self.rank if self.divide == "rank" else math.sqrt(self.rank))

    def updates(self, side: Side) -> bool:
        """Whether a tower is updated."""
        return self.encoder in ("both", side)


def start(data: ImagedData, options: ClipLoraOptions) -> Weights:
    """For each tower that is updated, the two matrices of each update. Their product is zero.

    Returns:
        "image_down", (L, 3, r, W), uniform within 1 / sqrt(W), and "image_up", (L, 3, W, r), zeros; "text_down" and
        "text_up" likewise. The 3 are those of queries, keys and values.
    """
    tower, towers, generator = data.tower.tower, data.texts.towers, data.generator()
    sizes: dict[Side, tuple[int, int]] = {
        "image": (tower.image_layers, tower.image_width),
        "text": (towers.text_layers, towers.text_width),
    }
    found = {}
    for side, (layers, width) in sizes.items():
        if options.updates(side):
            down = (2 * torch.rand(layers, 3, options.rank, width, generator=generator) - 1) / math.sqrt(width)
            found[f"{side}_down"] = data.tower.moved(down)
            found[f"{side}_up"] = data.tower.moved(torch.zeros(layers, 3, width, options.rank))
    return found


def low_rank(weights: Weights, data: ImagedData, options: ClipLoraOptions, side: Side) -> Callable[[int], Update]:
    """The number of a piece's first row to its update: factor · B A x.

    In training, each input x loses some of its numbers at random, and the others grow. The random numbers depend on
    the draw, the step, the place in the tower and the piece, so that a piece that is computed again has the same.
    """
    down, up = weights[f"{side}_down"], weights[f"{side}_up"]

    def of_piece(first: int) -> Update:
        def update(block: int, projection: Projection, x: Tensor) -> Tensor:
            place = PROJECTIONS.index(projection)
            if data.step and options.dropout:
                named = f"{data.seed} {data.step} {side} {first} {block} {projection}"
                x = thinned(x, options.dropout, named)
            return options.factor * (x @ down[block, place].T) @ up[block, place].T

        return update

    return of_piece


def thinned(x: Tensor, share: float, named: str) -> Tensor:
    """Numbers of which a share is zero, at random; the others are divided by what is left.

    Args:
        named: names the random numbers.
    """
    seed = int.from_bytes(sha256(named.encode()).digest()[:8], "big") >> 1
    generator = torch.Generator(x.device).manual_seed(seed)
    kept = torch.rand(x.shape, generator=generator, device=x.device) >= share
    return x * kept / (1 - share)


def text_features(weights: Weights, data: ImagedData, options: ClipLoraOptions) -> Tensor:
    """(C, D): the texts of the classes. If their tower is not updated, they are computed once."""
    if options.updates("text"):
        found = data.texts.features(data.words, update=low_rank(weights, data, options, "text"))
    else:
        found = data.texts.fixed(data.words)
    return data.tower.moved(ensemble(found, len(data.hand)))


def image_features(weights: Weights, data: ImagedData, options: ClipLoraOptions, pixels: Tensor) -> Tensor:
    """(B, D): the images."""
    if not options.updates("image"):
        with torch.no_grad():
            return data.tower.features(pixels)
    return data.tower.features(pixels, update=low_rank(weights, data, options, "image"))


def loss(weights: Weights, data: ImagedData, options: ClipLoraOptions, pixels: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of (B, 3, H, W) images with their (B,) labels."""
    images = image_features(weights, data, options, pixels)
    return F.cross_entropy(data.logit_scale * images @ text_features(weights, data, options).T, labels)


def head(weights: Weights, data: ImagedData, options: ClipLoraOptions) -> Classifier:
    """Cosines of images and texts of the updated towers."""
    kept = {name: value.detach() for name, value in weights.items()}
    with torch.no_grad():
        texts = text_features(kept, data, options)
    check_finite(texts, "the features of the texts")
    return TowerClassifier(data.tower, partial(image_features, kept, data, options), texts, data.logit_scale)


METHOD = ImagedMethod(
    name="clip-lora",
    version=1,
    options=ClipLoraOptions,
    start=start,
    loss=loss,
    head=head,
    needs=BOTH_TOWERS,
    changes_tokens=lambda options: options.updates("image"),
)
