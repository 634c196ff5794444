"""Cross-modal linear probe: a linear classifier that learns from images and from prompts as if both were images.

Source: Lin et al. 2023 (arXiv 2301.06267), linzhiqiu/cross_modal_adaptation, train.py and engine/optimizer/default.py.
Departures: without validation, the settings are the first of each list, with a weight decay of 0.01; a step is compared
after 100, 200, … steps, where the public code compares after 1, 101, …; and a batch that asks for more images or
prompts than there are takes all of them, where the public code refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.base import Classifier, LinearClassifier, MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.training import Iterations, Recipe, Weights, cross_entropy, rows_of, train

COMPARED_EVERY = 100
"""After this many steps validation compares the classifier. Source: train.py, ``EVAL_FREQ``."""
WARM_UP = 50
"""Steps in which the learning rate grows."""


class CrossModalOptions(MethodOptions):
    """The settings of the cross-modal probe. Defaults: methods.csv, row "Cross-modal linear probe"."""

    lr: float = Field(0.001, gt=0, le=100, description="learning rate of AdamW")
    weight_decay: float = Field(0.01, ge=0, le=1, description="weight decay of AdamW")
    batch_size: int = Field(8, ge=2, le=100_000, description="samples in one step: half images, half prompts")
    steps: int = Field(12_800, ge=1, le=1_000_000, description="steps of training, for every number of shots")
    scale: float = Field(100.0, gt=0, le=1000, description="factor of the products of features and class weights")
    views: int = Field(1, ge=1, le=100, description="views of each support image, each of which counts as an image")

    @property
    def recipe(self) -> Recipe:
        """AdamW; 50 steps of linear warm-up that begin at 1e-5, then a cosine by step."""
        return Recipe(
            "adamw",
            self.lr,
            1,
            self.batch_size,
            weight_decay=self.weight_decay,
            schedule="cosine by step",
            warmup_steps=WARM_UP,
        )


def shuffled(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of indices without end: a random order after another, each without its incomplete last batch."""
    size = min(size, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from torch.split(order[: count - count % size], size)


def halves(images: int, prompts: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Batches of one draw without end: indices of images, then of prompts, which are counted on from the images."""
    generator = torch.Generator().manual_seed(seed)
    texts = shuffled(prompts, batch_size // 2, generator)
    for chosen in shuffled(images, batch_size - batch_size // 2, generator):
        yield torch.cat([chosen, images + next(texts)])


def learn(data: FeatureData, options: CrossModalOptions, watch: Watch) -> Weights:
    """The weights of the classes: "head", (R, C, D). They start from the texts, and keep no length."""
    classes, count = data.prompts.shape[:2]
    images, texts = data.flat, data.prompts.flatten(0, 1)
    samples = torch.cat([images, texts.expand(data.draws, -1, -1)], dim=1)
    of_texts = torch.arange(classes).repeat_interleave(count)
    labels = torch.cat([data.flat_labels, of_texts.expand(data.draws, -1)], dim=1)

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        logits = options.scale * rows_of(samples, batch) @ weights["head"].mT
        return cross_entropy(logits, rows_of(labels, batch))

    each = [halves(images.shape[1], len(texts), options.batch_size, seed) for seed in data.seeds]
    batches = (torch.stack(rows) for rows in zip(*each, strict=True))
    return train(
        {"head": data.texts.expand(data.draws, -1, -1)},
        loss,
        options.recipe,
        images=images.shape[1],
        seeds=data.seeds,
        watch=watch,
        iterations=Iterations(options.steps, batches, COMPARED_EVERY),
    )


def heads(weights: Weights, data: FeatureData, options: CrossModalOptions) -> Sequence[Classifier]:
    """One classifier a draw."""
    return [LinearClassifier(own, options.scale) for own in weights["head"]]


METHOD = FeatureMethod(
    name="cross-modal",
    version=1,
    options=CrossModalOptions,
    learn=learn,
    heads=heads,
    early={"lr": (0.001, 0.0001), "weight_decay": (0.0, 0.01, 0.0001), "batch_size": (8, 32)},
    parameters=lambda data, options: data.texts.numel(),
    steps=lambda data, options: options.steps,
)
