"""The cross-modal probe against its formula and AdamW written out, with a schedule copied from the paper's code."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from vlmbench.transfer.features import FeatureData, unwatched
from vlmbench.transfer.methods.features.cross_modal import METHOD, halves

C, K, D, T = 3, 4, 6, 2


def made(draws: int = 1) -> FeatureData:
    generator = torch.Generator().manual_seed(11)
    centres = torch.randn(C, D, generator=generator, dtype=torch.float64)
    labels = torch.arange(C).repeat_interleave(K)
    noise = torch.randn(draws, 1, C * K, D, generator=generator, dtype=torch.float64)
    prompts = F.normalize(centres[:, None] + torch.randn(C, T, D, generator=generator, dtype=torch.float64), dim=-1)
    texts = F.normalize(prompts.mean(1), dim=-1)
    images = F.normalize(centres[labels] + 0.7 * noise, dim=-1)
    return FeatureData(images, labels.repeat(draws, 1), texts, prompts, 50.0, tuple(range(draws)))


def rate(step: int, lr: float, steps: int) -> float:
    if step < 50:
        return lr * step / 50 if step else 1e-5
    return lr * 0.5 * (1 + math.cos(math.pi * (step - 50) / steps))


def test_adamw_written_out() -> None:
    data, steps, lr, decay = made(), 70, 0.01, 0.1
    options = METHOD.options(steps=steps, lr=lr, weight_decay=decay, batch_size=6, scale=20.0)
    samples = [*data.images[0, 0], *(prompt for own in data.prompts for prompt in own)]
    labels = [*data.labels[0].tolist(), *(c for c in range(C) for _ in range(T))]
    weights = data.texts.clone()
    first, second = torch.zeros_like(weights), torch.zeros_like(weights)
    batches = halves(C * K, C * T, 6, 0)
    for step in range(steps):
        leaf = weights.clone().requires_grad_()
        losses = []
        for n in next(batches).tolist():
            row = torch.stack([20.0 * samples[n] @ leaf[c] for c in range(C)])
            losses.append(row.logsumexp(0) - row[labels[n]])
        (gradient,) = torch.autograd.grad(sum(losses) / len(losses), leaf)  # type: ignore[arg-type]
        now = rate(step, lr, steps)
        weights = weights * (1 - now * decay)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        unbiased = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
        weights = weights - now * unbiased[0] / (unbiased[1].sqrt() + 1e-8)
    assert (METHOD.learn(data, options, unwatched)["head"][0] - weights).abs().max() < 1e-9
    assert (weights - data.texts).abs().max() > 0.05, "so few steps moved the weights"


def test_half_of_each_batch_are_images_and_half_prompts() -> None:
    batches = halves(12, 6, 8, seed=0)
    seen = [next(batches) for _ in range(3)]
    assert all(len(batch) == 8 for batch in seen)
    assert sorted(int(n) for batch in seen for n in batch[:4]) == list(range(12)), "each image once in an epoch"
    assert all(bool((batch[4:] >= 12).all()) and len(set(batch[4:].tolist())) == 4 for batch in seen)
    assert [len(next(halves(2, 9, size, seed=0))) for size in (8, 32)] == [2 + 4, 2 + 9], "what there is"


def test_validation_is_asked_after_every_hundred_steps_and_the_last() -> None:
    asked: list[int] = []
    METHOD.learn(made(), METHOD.options(steps=230), lambda step, learnt: asked.append(step))
    assert asked == [100, 200, 230]


def test_draws_together_are_draws_alone() -> None:
    data, options = made(3), METHOD.options(steps=120)
    together = METHOD.learn(data, options, unwatched)["head"]
    alone = torch.cat([METHOD.learn(data.of(draw), options, unwatched)["head"] for draw in range(3)])
    assert (together - alone).abs().max() < 1e-10


def test_float32_agrees_with_float64() -> None:
    """Adam divides by tiny gradients, so that rounding grows: the reference measured up to 6e-2 of the logits."""
    data, options = made(), METHOD.options(steps=120)
    narrow = replace(data, images=data.images.float(), texts=data.texts.float(), prompts=data.prompts.float())
    wide, found = (
        METHOD.heads(METHOD.learn(each, options, unwatched), each, options)[0].logits(each.flat[0])
        for each in (data, narrow)
    )
    assert found.dtype == torch.float32
    assert (found - wide).abs().max() < 6e-2 * float(wide.abs().max())
