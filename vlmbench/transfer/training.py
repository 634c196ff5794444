"""Trains weights on cached features, all draws at once. Iterative methods in ``methods/`` call :func:`train`.

Each draw has weights of its own along the first axis, and a random order of images of its own. The loss is summed over
draws, so that no draw changes another's gradient, and each learns what it learns alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.transfer.features import Watch, check_finite

Weights = Mapping[str, Tensor]
"""Trained tensors by name, each (R, …)."""


@dataclass(frozen=True)
class Recipe:
    """How weights are trained.

    Attributes:
        optimiser: "sgd" (with momentum 0.9), "adam" or "adamw".
        lr: of the first step after the warm-up.
        epochs: passes over the images.
        batch_size: images in one step; the last step of an epoch takes what is left.
        weight_decay: as the optimiser of torch understands it.
        eps: of Adam.
        schedule: the learning rate falls to ``lowest_lr`` as a cosine, step by step or epoch by epoch; or it stays.
            "cosine after warm-up" counts its steps from the end of ``warmup_steps``.
        warmup: passes over the images at ``warmup_lr`` before the schedule, which begins after them and does not come
            to its end. They count as epochs. Source: Dassl's ``ConstantWarmupScheduler``.
        warmup_lr: the constant learning rate of the warm-up, or of the first of ``warmup_steps``. "cosine after
            warm-up" does not use it: its first step has the first of equal rises.
        warmup_steps: steps in which the learning rate grows in a straight line, before the cosine by step begins.
        lowest_lr: where the cosine ends.
        longest: longer gradients, of all weights together, are brought to this length; None: they stay.
        whole_batches: leave out an epoch's incomplete last batch, unless it is the only one, as Dassl's loaders do.
        most_steps: training ends after this many steps, within an epoch if need be; None: after the last epoch.
    """

    optimiser: Literal["sgd", "adam", "adamw"]
    lr: float
    epochs: int
    batch_size: int
    weight_decay: float = 0.0
    eps: float = 1e-8
    schedule: Literal["cosine by epoch", "cosine by step", "cosine after warm-up", "constant"] = "cosine by epoch"
    warmup: int = 0
    warmup_lr: float = 1e-5
    warmup_steps: int = 0
    lowest_lr: float = 0.0
    longest: float | None = None
    most_steps: int | None = None
    whole_batches: bool = False

    def steps(self, images: int) -> int:
        """How many steps it takes for this number of images."""
        whole = self.epochs * self.batches(images)
        return whole if self.most_steps is None else min(whole, self.most_steps)

    def batches(self, images: int) -> int:
        """How many batches an epoch of this number of images has."""
        whole, left = divmod(images, self.batch_size)
        return whole if whole and self.whole_batches else whole + (left > 0)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate of a step.

        Args:
            epoch: from 0.
            step: of all steps, from 0.
            steps: how many there are in all.
        """
        if epoch < self.warmup:
            return self.warmup_lr
        if step < self.warmup_steps:
            if self.schedule == "cosine after warm-up":  # source: mlfoundations/wise-ft, src/models/utils.py
                return self.lr * (step + 1) / self.warmup_steps
            return self.lr * step / self.warmup_steps if step else self.warmup_lr
        if self.schedule == "constant":
            return self.lr
        after = step - self.warmup_steps
        done = {
            "cosine by epoch": (epoch - self.warmup) / self.epochs,
            "cosine by step": after / steps,
            "cosine after warm-up": after / (steps - self.warmup_steps),
        }[self.schedule]
        return self.lowest_lr + (self.lr - self.lowest_lr) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class Iterations:
    """A number of steps with the caller's batches, in place of epochs over the images.

    Attributes:
        steps: how many.
        batches: (R, B) indices for each step; it ends no earlier.
        every: the watch is called after this many steps, again and again, and after the last.
    """

    steps: int
    batches: Iterator[Tensor]
    every: int

    def rounds(self) -> Iterator[Iterator[Tensor]]:
        """The batches between two calls of the watch."""
        for first in range(0, self.steps, self.every):
            yield islice(self.batches, min(self.every, self.steps - first))


def train(
    weights: Weights,
    loss: Callable[[Weights, Tensor], Tensor],
    recipe: Recipe,
    *,
    images: int,
    rows: int | None = None,
    seeds: Sequence[int],
    watch: Watch,
    iterations: Iterations | None = None,
) -> dict[str, Tensor]:
    """Train weights, and return them.

    Args:
        weights: what to begin with; it is not changed.
        loss: the weights, and (R, B) indices of images, to one loss for each draw, (R,).
        images: N, the number of images of each draw: an epoch takes N rows.
        rows: how many rows there are to take; None: N. There are more if each view of an image is a row.
        seeds: the R draws. The order of images comes from a generator for each.
        watch: called after each epoch with the step and a function that copies the weights.
        iterations: what takes the place of the recipe's epochs, with indices as the caller counts; None: nothing.

    Raises:
        TransferError: the loss became NaN or infinite.
    """
    trained = {name: value.detach().clone().requires_grad_() for name, value in weights.items()}
    optimiser = _optimiser(list(trained.values()), recipe)
    steps, step = iterations.steps if iterations else recipe.steps(images), 0
    rounds = iterations.rounds() if iterations else _epochs(images, rows or images, recipe, seeds)

    def learnt() -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in trained.items()}

    for epoch, batches in enumerate(rounds):
        for batch in batches:
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate(epoch, step, steps)
            optimiser.zero_grad(set_to_none=True)
            losses = loss(trained, batch)
            check_finite(losses.detach(), f"the losses of step {step + 1}")
            losses.sum().backward()  # type: ignore[no-untyped-call]
            if recipe.longest is not None:
                torch.nn.utils.clip_grad_norm_(trained.values(), recipe.longest)
            optimiser.step()
            step += 1
        watch(step, learnt)
    return learnt()


def _optimiser(weights: list[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(weights, lr=recipe.lr, eps=recipe.eps, weight_decay=recipe.weight_decay)


def _epochs(images: int, rows: int, recipe: Recipe, seeds: Sequence[int]) -> Iterator[Iterator[Tensor]]:
    """For each epoch its batches, (R, B) indices: each draw has its own order."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    left = recipe.steps(images)
    while left:
        order = torch.stack([torch.randperm(rows, generator=generator)[:images] for generator in generators])
        batches = torch.split(order, recipe.batch_size, dim=1)[: min(left, recipe.batches(images))]
        left -= len(batches)
        yield iter(batches)


def with_warm_up(recipe: Recipe, warmup: int, images: int) -> Recipe:
    """A recipe that warms up for some steps, but at most for a tenth of all steps for N images.

    Published warm-ups are for full data sets, and are longer than the whole training on a few images.
    """
    return replace(recipe, warmup_steps=min(warmup, recipe.steps(images) // 10))


def rows_of(tensor: Tensor, batch: Tensor) -> Tensor:
    """Rows of each draw: (R, N, …) and (R, B) indices to (R, B, …)."""
    draws = torch.arange(tensor.shape[0])[:, None]
    return tensor[draws, batch]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of each draw: (R, B, C) and (R, B) to (R,)."""
    found = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return found.view(labels.shape).mean(dim=1)
