"""Tip-Adapter-F: Tip-Adapter whose keys are trained.

Source: Zhang et al. 2022 (arXiv 2207.09519), gaopengcuhk/Tip-Adapter, main.py. Departures: the public code keeps the
epoch with the best test accuracy, here it is the last one or the one that validation chooses; and one grid of alpha and
beta serves all data sets.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from vlmbench.transfer.features import FeatureData, FeatureMethod, Watch
from vlmbench.transfer.methods.features.tip_adapter import GRID, TipAdapterOptions, Votes, first_keys, heads, votes_of
from vlmbench.transfer.training import Recipe, Weights, cross_entropy, rows_of, train


class TipAdapterFOptions(TipAdapterOptions):
    """The settings of Tip-Adapter-F. Defaults: methods.csv, row "Tip-Adapter-F"."""

    lr: float = Field(0.001, gt=0, le=100, description="learning rate of AdamW")
    epochs: int = Field(20, ge=1, le=10_000, description="passes over the support images")
    batch_size: int = Field(256, ge=1, le=100_000, description="images in one step")

    @property
    def recipe(self) -> Recipe:
        """AdamW with eps 1e-4 and weight decay 0.01, and a cosine by step."""
        return Recipe(
            "adamw", self.lr, self.epochs, self.batch_size, weight_decay=0.01, eps=1e-4, schedule="cosine by step"
        )


def learn(data: FeatureData, options: TipAdapterFOptions, watch: Watch) -> tuple[Votes, ...]:
    """The votes of the trained keys, of each draw."""
    images, labels = data.flat, data.flat_labels
    zero_shot = options.scale * data.flat @ data.texts.mT

    def loss(weights: Weights, batch: Tensor) -> Tensor:
        affinity = rows_of(images, batch) @ weights["keys"].mT
        each = torch.exp(-options.beta * (1 - affinity))
        places = data.labels[:, None, :].expand_as(each)
        votes = each.new_zeros(*each.shape[:2], data.classes).scatter_add(2, places, each)
        return cross_entropy(rows_of(zero_shot, batch) + options.alpha * votes, rows_of(labels, batch))

    learnt = train(
        {"keys": first_keys(data)},
        loss,
        options.recipe,
        images=data.images.shape[2],
        rows=images.shape[1],
        seeds=data.seeds,
        watch=lambda step, now: watch(step, lambda: votes_of(now()["keys"], data)),
    )
    return votes_of(learnt["keys"], data)


METHOD = FeatureMethod(
    name="tip-adapter-f",
    version=1,
    options=TipAdapterFOptions,
    learn=learn,
    heads=heads,
    late=GRID,
    parameters=lambda data, options: data.images.shape[2] * data.images.shape[3],
    steps=lambda data, options: options.recipe.steps(data.images.shape[2]),
)
