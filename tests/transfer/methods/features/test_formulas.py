"""Each method that learns from features against a literal float64 implementation of its formula, written with loops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from vlmbench.transfer.base import MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, unwatched
from vlmbench.transfer.methods.features.ape import METHOD as APE
from vlmbench.transfer.methods.features.clap import METHOD as CLAP
from vlmbench.transfer.methods.features.clip_adapter import METHOD as CLIP_ADAPTER
from vlmbench.transfer.methods.features.clip_adapter import start
from vlmbench.transfer.methods.features.gda import METHOD as GDA
from vlmbench.transfer.methods.features.knn import METHOD as KNN
from vlmbench.transfer.methods.features.linear_probe import METHOD as LINEAR_PROBE
from vlmbench.transfer.methods.features.lp_plus_plus import METHOD as LP_PLUS_PLUS
from vlmbench.transfer.methods.features.lp_plus_plus import _first_bias
from vlmbench.transfer.methods.features.nearest_mean import METHOD as NEAREST_MEAN
from vlmbench.transfer.methods.features.taskres import METHOD as TASKRES
from vlmbench.transfer.methods.features.tip_adapter import METHOD as TIP_ADAPTER
from vlmbench.transfer.methods.features.tip_adapter_f import METHOD as TIP_ADAPTER_F
from vlmbench.transfer.methods.features.wise_ft_head import METHOD as WISE_FT_HEAD
from vlmbench.transfer.methods.features.zs_lp import METHOD as ZS_LP

C, K, D, V = 4, 3, 12, 2
EVERY = [
    TIP_ADAPTER, TIP_ADAPTER_F, APE, GDA, KNN, NEAREST_MEAN, LINEAR_PROBE, LP_PLUS_PLUS, ZS_LP, CLAP, TASKRES,
    CLIP_ADAPTER, WISE_FT_HEAD,
]  # fmt: skip


def made(draws: int = 1, *, views: int = 1, dtype: torch.dtype = torch.float64) -> FeatureData:
    """Features of classes that lie apart, with noise, (R, V, C * K, D)."""
    generator = torch.Generator().manual_seed(7)
    centres = torch.randn(C, D, generator=generator, dtype=torch.float64)
    labels = torch.arange(C).repeat_interleave(K)
    noise = torch.randn(draws, views, C * K, D, generator=generator, dtype=torch.float64)
    prompts = F.normalize(
        centres[:, None] + 0.8 * torch.randn(C, 2, D, generator=generator, dtype=torch.float64), dim=-1
    )
    images = F.normalize(centres[labels] + 0.7 * noise, dim=-1)
    texts = F.normalize(prompts.mean(1), dim=-1)
    data = FeatureData(images, labels.repeat(draws, 1), texts, prompts, 50.0, tuple(range(draws)))
    return replace(data, images=data.images.to(dtype), texts=data.texts.to(dtype), prompts=data.prompts.to(dtype))


def asked(count: int = 9) -> Tensor:
    """Images to score, (B, D)."""
    return F.normalize(torch.randn(count, D, generator=torch.Generator().manual_seed(3), dtype=torch.float64), dim=-1)


def logits(method: FeatureMethod, data: FeatureData, options: MethodOptions, images: Tensor) -> Tensor:  # type: ignore[type-arg]
    """(R, B, C) of a method."""
    learnt = method.learn(data, options, unwatched)
    return torch.stack([head.logits(images) for head in method.heads(learnt, data, options)])


def close(found: Tensor, literal: Sequence[Sequence[float]], tolerance: float = 1e-9) -> None:
    assert np.abs(found.numpy() - np.array(literal)).max() < tolerance


def test_tip_adapter() -> None:
    data, options = made(views=V), TIP_ADAPTER.options(alpha=2.0, beta=3.0)
    keys = [F.normalize(sum(data.images[0, v, n] for v in range(V)) / V, dim=0) for n in range(C * K)]  # type: ignore[arg-type]
    literal = []
    for f in asked():
        row = [100 * float(f @ data.texts[c]) for c in range(C)]
        for n, key in enumerate(keys):
            row[int(data.labels[0, n])] += 2.0 * math.exp(-3.0 * (1 - float(f @ key)))
        literal.append(row)
    close(logits(TIP_ADAPTER, data, options, asked())[0], literal)


def _order(seed: int, count: int, batch: int, epochs: int, *, whole: bool = False) -> list[list[list[int]]]:
    """The batches of each epoch. With ``whole``, one that is too small is left out, unless it is the only one."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(epochs):
        parts = [part.tolist() for part in torch.randperm(count, generator=generator).split(batch)]
        found.append([part for part in parts if len(part) == batch] if whole and count >= batch else parts)
    return found


def _cross_entropy(rows: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([row.logsumexp(0) - row[int(label)] for row, label in zip(rows, labels, strict=True)]).mean()


def test_tip_adapter_f_with_adamw_written_out() -> None:
    data, options = made(), TIP_ADAPTER_F.options(epochs=4, batch_size=5, lr=0.01, alpha=2.0, beta=3.0)
    images, labels = data.images[0, 0], data.labels[0]
    keys = images.clone()
    first, second = torch.zeros_like(keys), torch.zeros_like(keys)
    steps, step = 4 * math.ceil(C * K / 5), 0
    values = F.one_hot(labels, C).double()
    for epoch in _order(0, C * K, 5, 4):
        for batch in epoch:
            rate = 0.01 * 0.5 * (1 + math.cos(math.pi * step / steps))
            leaf = keys.clone().requires_grad_()
            found = 100 * images[batch] @ data.texts.T + 2.0 * torch.exp(-3.0 * (1 - images[batch] @ leaf.T)) @ values
            (gradient,) = torch.autograd.grad(_cross_entropy(found, labels[batch]), leaf)
            step += 1
            keys = keys * (1 - rate * 0.01)
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            keys = keys - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-4)
    f = asked()
    literal = 100 * f @ data.texts.T + 2.0 * torch.exp(-3.0 * (1 - f @ keys.T)) @ values
    close(logits(TIP_ADAPTER_F, data, options, f)[0], literal.tolist(), 1e-8)


def _sgd_head(data: FeatureData, start: Tensor, penalty: list[float], epochs: int, lr: float, batch: int) -> Tensor:
    """SGD with momentum 0.9, one epoch at 1e-5, then a cosine by epoch; the penalty of CLAP, or zeros."""
    images, labels, weights, speed = data.images[0, 0], data.labels[0], start.clone(), torch.zeros_like(start)
    for number, epoch in enumerate(_order(0, C * K, batch, epochs, whole=True)):
        rate = 1e-5 if number < 1 else lr * 0.5 * (1 + math.cos(math.pi * (number - 1) / epochs))
        for rows in epoch:
            leaf = weights.clone().requires_grad_()
            found = torch.stack(
                [torch.stack([100 * images[n] @ (leaf[c] / leaf[c].norm()) for c in range(C)]) for n in rows]
            )
            loss = _cross_entropy(found, labels[rows])
            loss = loss + sum(penalty[c] * ((leaf[c] - start[c]) ** 2).sum() for c in range(C)) / C
            (gradient,) = torch.autograd.grad(loss, leaf)
            speed = 0.9 * speed + gradient
            weights = weights - rate * speed
    return weights


@pytest.mark.parametrize("length", [1.0, 12.0])
def test_zs_lp_clap_and_wise_ft_head(length: float) -> None:
    data, f = made(), asked()
    given = {"epochs": 6, "lr": 0.05, "batch_size": 5, "text_length": length}
    start = length * data.texts
    plain = _sgd_head(data, start, [0.0] * C, 6, 0.05, 5)
    close(logits(ZS_LP, data, ZS_LP.options(**given), f)[0], (f @ F.normalize(plain, dim=1).T).tolist(), 1e-8)
    mixed = 0.3 * start + 0.7 * plain
    found = logits(WISE_FT_HEAD, data, WISE_FT_HEAD.options(**given, alpha=0.7), f)
    close(found[0], (f @ F.normalize(mixed, dim=1).T).tolist(), 1e-8)
    penalty = []
    for c in range(C):
        own = [n for n in range(C * K) if int(data.labels[0, n]) == c]
        penalty.append(sum(float((100 * data.images[0, 0, n] @ data.texts.T).softmax(0)[c]) for n in own) / len(own))
    kept = _sgd_head(data, start, penalty, 6, 0.05, 5)
    close(logits(CLAP, data, CLAP.options(**given), f)[0], (f @ F.normalize(kept, dim=1).T).tolist(), 1e-8)


def test_taskres_with_adam_written_out() -> None:
    data, options, f = made(), TASKRES.options(epochs=5, batch_size=12, lr=0.01, text_length=8.0), asked()
    images, labels = data.images[0, 0], data.labels[0]
    residual = torch.zeros(C, D, dtype=torch.float64)
    first, second = torch.zeros_like(residual), torch.zeros_like(residual)
    for number, (rows,) in enumerate(_order(0, C * K, 12, 5)):
        rate = 1e-5 if number < 1 else 0.01 * 0.5 * (1 + math.cos(math.pi * (number - 1) / 5))
        leaf = residual.clone().requires_grad_()
        found = 100 * images[rows] @ F.normalize(8.0 * data.texts + 0.5 * leaf, dim=1).T
        (gradient,) = torch.autograd.grad(_cross_entropy(found, labels[rows]), leaf)
        gradient = gradient + 5e-4 * residual
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        step = number + 1
        residual = residual - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
    literal = f @ F.normalize(8.0 * data.texts + 0.5 * residual, dim=1).T
    close(logits(TASKRES, data, options, f)[0], literal.tolist(), 1e-8)


def test_clip_adapter_with_sgd_written_out() -> None:
    data, options, f = made(), CLIP_ADAPTER.options(epochs=5, batch_size=12, lr=0.1, ratio=0.4), asked()
    images, labels = data.images[0, 0], data.labels[0]
    weights = [start(data, options)[name][0] for name in ("down", "up")]
    speeds = [torch.zeros_like(weight) for weight in weights]

    def answer(x: Tensor, down: Tensor, up: Tensor) -> Tensor:
        moved = 0.4 * (up @ (down @ x).clamp(min=0)).clamp(min=0) + 0.6 * x
        return moved / moved.norm()

    for number, (rows,) in enumerate(_order(0, C * K, 12, 5)):
        rate = 1e-5 if number < 1 else 0.1 * 0.5 * (1 + math.cos(math.pi * (number - 1) / 5))
        leaves = [weight.clone().requires_grad_() for weight in weights]
        found = torch.stack([100 * data.texts @ answer(images[n], *leaves) for n in rows])
        gradients = torch.autograd.grad(_cross_entropy(found, labels[rows]), leaves)
        speeds = [0.9 * s + g + 5e-4 * w for s, g, w in zip(speeds, gradients, weights, strict=True)]
        weights = [w - rate * s for w, s in zip(weights, speeds, strict=True)]
    literal = [(data.texts @ answer(x, *weights)).tolist() for x in f]
    close(logits(CLIP_ADAPTER, data, options, f)[0], literal, 1e-8)


def test_gda() -> None:
    data, options, f = made(views=V), GDA.options(alpha=0.3), asked()
    rows = [(data.images[0, v, n], int(data.labels[0, n])) for v in range(V) for n in range(C * K)]
    means = [torch.stack([x for x, c in rows if c == own]).mean(0) for own in range(C)]
    centred = torch.stack([x - means[c] for x, c in rows])
    covariance = torch.from_numpy(np.cov(centred.numpy(), rowvar=False))
    inverse = D * torch.linalg.pinv((len(rows) - 1) * covariance + covariance.trace() * torch.eye(D))
    literal = []
    for x in f:
        row = []
        for c in range(C):
            w = inverse @ means[c]
            own = float(x @ w + math.log(1 / C) - 0.5 * means[c] @ w)
            row.append(100 * float(x @ data.texts[c]) + 0.3 * own)
        literal.append(row)
    close(logits(GDA, data, options, f)[0], literal, 1e-6)


def test_gda_learns_from_images_that_are_nearly_alike() -> None:
    """Features of real models lie in a narrow cone. The covariance is small, and far above rounding."""
    generator, classes, shots, width = torch.Generator().manual_seed(3), 60, 16, 32
    centres = F.normalize(1 + 0.02 * torch.randn(classes, width, generator=generator), dim=-1)
    labels = torch.arange(classes).repeat_interleave(shots)
    images = F.normalize(centres[labels] + 0.002 * torch.randn(len(labels), width, generator=generator), dim=-1)
    texts = F.normalize(torch.randn(classes, width, generator=generator), dim=-1)
    data = FeatureData(images[None, None], labels[None], texts, texts[:, None], 100.0, (0,))
    found = logits(GDA, data, GDA.options(alpha=1000.0), images)[0]
    assert (found.argmax(1) == labels).float().mean() > 0.9


def test_gda_with_one_image_a_class_is_zero_shot() -> None:
    data = made()
    one = replace(data, images=data.images[:, :, ::K], labels=data.labels[:, ::K])
    f = asked()
    assert torch.equal(logits(GDA, one, GDA.options(), f)[0], 100 * f @ data.texts.T)


def test_ape() -> None:
    data, options, f = made(), APE.options(channels=0.5, alpha=2.0, beta=3.0, gamma=0.2), asked()
    score = []
    for d in range(D):
        pairs = [float(data.texts[i, d] * data.texts[j, d]) for i in range(C) for j in range(C) if i != j]
        score.append(0.7 * sum(pairs) / len(pairs) - 0.3 * float(np.var(data.texts[:, d].numpy(), ddof=1)))
    kept = sorted(range(D), key=lambda d: score[d])[: D // 2]
    literal = []
    for x in f:
        row = [100 * float(x @ data.texts[c]) for c in range(C)]
        own = x[kept] / x[kept].norm()
        for n in range(C * K):
            key, label = data.images[0, 0, n], int(data.labels[0, n])
            near, texts = key[kept] / key[kept].norm(), data.texts[:, kept]
            chance = (near @ (texts / texts.norm(dim=1, keepdim=True)).T).softmax(0)
            one_hot = [float(c == label) for c in range(C)]
            doubt = sum(p * math.log2((p + 1e-6) / (float(q) + 1e-6)) for p, q in zip(one_hot, chance, strict=True))
            row[label] += 2.0 * math.exp(-3.0 * (1 - float(own @ near))) * math.exp(0.2 * doubt)
        literal.append(row)
    close(logits(APE, data, options, f)[0], literal)


def test_knn_and_nearest_mean() -> None:
    data, f = made(), asked()
    literal, means = [], []
    for x in f:
        ranked = sorted(range(C * K), key=lambda n: -float(x @ data.images[0, 0, n]))[:5]
        weight = [math.exp(float(x @ data.images[0, 0, n]) / 0.07) for n in ranked]
        row = [0.0] * C
        for n, w in zip(ranked, weight, strict=True):
            row[int(data.labels[0, n])] += w / sum(weight)
        literal.append(row)
        centre = [F.normalize(data.images[0, 0, c * K : c * K + K].mean(0), dim=0) for c in range(C)]
        means.append([float(x @ own) for own in centre])
    close(logits(KNN, data, KNN.options(), f)[0], literal)
    close(logits(NEAREST_MEAN, data, NEAREST_MEAN.options(), f)[0], means)


@pytest.mark.parametrize("c", [0.01, 0.316, 100.0])
def test_linear_probe_is_scikit_learns(c: float) -> None:
    data, f = made(), asked()
    theirs = LogisticRegression(C=c, max_iter=10_000, tol=1e-12).fit(data.images[0, 0].numpy(), data.labels[0].numpy())
    ours = logits(LINEAR_PROBE, data, LINEAR_PROBE.options(c=c), f)[0]
    found = ours - ours.mean(1, keepdim=True)
    wanted = theirs.decision_function(f.numpy())
    close(found, (wanted - wanted.mean(1, keepdims=True)).tolist(), 5e-3)


@pytest.mark.parametrize("clear", [False, True])
def test_lp_plus_plus(clear: bool) -> None:
    data, f = made(), asked()
    options = LP_PLUS_PLUS.options(epochs=25, clear_gradient=clear)
    images, labels, n = data.images[0, 0], data.labels[0], C * K
    sums = torch.stack([images[labels == c].sum(0) for c in range(C)])
    parts = [sums, _first_bias(data)[0]]
    alpha = torch.full(
        (C,), 250 * sum(float(images[i] @ data.texts[int(labels[i])]) for i in range(n)) / n, dtype=torch.float64
    )
    rate = 4 * n / float(torch.linalg.eigvalsh(images.T @ images).max())
    alpha_rate = n / (4 * max(sum(float(images[i] @ data.texts[c]) ** 2 for i in range(n)) for c in range(C)))
    speeds, summed = [torch.zeros_like(part) for part in parts], torch.zeros(C, dtype=torch.float64)
    for epoch in range(1, 26):
        leaves = [part.clone().requires_grad_() for part in (*parts, alpha)]
        found = images @ leaves[0].T + leaves[1] + leaves[2] * (images @ data.texts.T)
        *gradients, of_alpha = torch.autograd.grad(_cross_entropy(found, labels), leaves)
        speeds = [0.9 * s + g for s, g in zip(speeds, gradients, strict=True)]
        parts = [part - rate * s for part, s in zip(parts, speeds, strict=True)]
        summed = summed + of_alpha
        if epoch % 10 == 0:
            alpha = alpha - alpha_rate * summed
            summed = torch.zeros_like(summed) if clear else summed
    literal = f @ parts[0].T + parts[1] + alpha * (f @ data.texts.T)
    close(logits(LP_PLUS_PLUS, data, options, f)[0], literal.tolist(), 1e-7)


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_draws_together_are_draws_alone(method: FeatureMethod) -> None:  # type: ignore[type-arg]
    data = made(3, views=V)
    short = {"epochs": 5} if "epochs" in method.options.model_fields else {}
    options = method.options(**short)
    together = logits(method, data, options, asked())
    alone = torch.cat([logits(method, data.of(draw), options, asked()) for draw in range(3)])
    assert (together - alone).abs().max() < 1e-8 * max(1.0, float(alone.abs().max()))


@pytest.mark.parametrize(
    "method, given",
    [
        (TIP_ADAPTER, {"alpha": 0}),
        (APE, {"alpha": 0}),
        (GDA, {"alpha": 0}),
        (TASKRES, {"alpha": 0, "epochs": 2}),
        (WISE_FT_HEAD, {"alpha": 0, "epochs": 2}),
        (CLIP_ADAPTER, {"ratio": 0, "epochs": 2}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_zero_end_is_zero_shot(method: FeatureMethod, given: dict[str, float]) -> None:  # type: ignore[type-arg]
    data, f, options = made(), asked(), method.options(**given)
    (head,) = method.heads(method.learn(data, options, unwatched), data, options)
    scale = 100.0 if hasattr(head, "text_scale") else 1.0
    assert (head.logits(f) - scale * f @ data.texts.T).abs().max() < 1e-9


@pytest.mark.parametrize("method", EVERY, ids=lambda method: method.name)
def test_float32_agrees_with_float64(method: FeatureMethod) -> None:  # type: ignore[type-arg]
    wide, narrow = made(2), made(2, dtype=torch.float32)
    short = {"epochs": 20} if "epochs" in method.options.model_fields else {}
    options = method.options(**short)
    expected = logits(method, wide, options, asked())
    found = logits(method, narrow, options, asked().float())
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-2 * float(expected.abs().max())
