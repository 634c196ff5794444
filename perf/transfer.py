"""Times methods that learn from features: 1,000 classes × 16 images × 5 draws of 512 numbers each.

Closed methods: the time to fit all draws and to score test images with each. Iterative methods: the share of the
machine's own rate of matrix products that their steps reach. A probe is compared with scikit-learn, and Tip-Adapter
with a loop over images, at a smaller size.

python perf/transfer.py [--classes 1000] [--shots 16] [--draws 5] [--test 5000] [--steps 20] [--repetitions 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from side_by_side import Way, show, take_turns
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from vlmbench.transfer.base import MethodOptions
from vlmbench.transfer.features import FeatureData, FeatureMethod, unwatched
from vlmbench.transfer.methods.features.clip_adapter import METHOD as CLIP_ADAPTER
from vlmbench.transfer.methods.features.cross_modal import METHOD as CROSS_MODAL
from vlmbench.transfer.methods.features.gda import METHOD as GDA
from vlmbench.transfer.methods.features.linear_probe import METHOD as LINEAR_PROBE
from vlmbench.transfer.methods.features.nearest_mean import METHOD as NEAREST_MEAN
from vlmbench.transfer.methods.features.taskres import METHOD as TASKRES
from vlmbench.transfer.methods.features.tip_adapter import METHOD as TIP_ADAPTER
from vlmbench.transfer.methods.features.tip_adapter_f import METHOD as TIP_ADAPTER_F
from vlmbench.transfer.methods.features.zs_lp import METHOD as ZS_LP

Method = FeatureMethod[Any, Any]
WIDTH, BATCH = 512, 4096
"""The length of ViT-B's features, and how many test images a run scores at once."""
CLOSED: tuple[Method, ...] = (TIP_ADAPTER, GDA, NEAREST_MEAN)


def made_up(classes: int, shots: int, draws: int, test: int, seed: int = 0) -> tuple[FeatureData, Tensor, Tensor]:
    """Features around a centre for each class: of support images, (R, 1, C * K, D), and of test images, (B, D)."""
    generator = torch.Generator().manual_seed(seed)
    centres = F.normalize(torch.randn(classes, WIDTH, generator=generator), dim=-1)
    labels, asked = torch.arange(classes).repeat_interleave(shots), torch.arange(test) % classes

    def around(places: Tensor, *shape: int) -> Tensor:
        noise = torch.randn(*shape, len(places), WIDTH, generator=generator) * 0.08
        return F.normalize(centres[places] + noise, dim=-1)

    texts = around(torch.arange(classes))
    images = around(labels, draws, 1)
    data = FeatureData(images, labels.repeat(draws, 1), texts, texts[:, None], 100.0, tuple(range(draws)))
    return data, around(asked), asked


def fit_and_score(method: Method, data: FeatureData, options: MethodOptions, test: Tensor) -> Tensor:
    """The answers of each draw, (R, B)."""
    found = method.heads(method.learn(data, options, unwatched), data, options)
    return torch.stack([torch.cat([head.logits(part).argmax(1) for part in test.split(BATCH)]) for head in found])


def closed(data: FeatureData, test: Tensor, labels: Tensor, repetitions: int) -> None:
    """Time the closed methods one by one, and print their sum."""
    ways = [Way(each.name, partial(fit_and_score, each, data, each.options(), test)) for each in CLOSED]
    timings = take_turns(ways, repetitions, warm_up=True)
    right = [f"{float((timing.result == labels).float().mean()):.1%} right" for timing in timings]
    keys, images = data.images.shape[2], len(test) * data.draws
    show(
        f"fit and score {len(test):,} images with {data.draws} draws of {keys:,} support images",
        timings,
        differences=right,
        floor=f"Tip-Adapter: {2 * images * (keys + data.classes) * WIDTH / 1e9:.0f} GFLOP in matrix products",
        notes=[f"together: {sum(timing.median for timing in timings):.2f} s"],
    )


def rate_of(left: Tensor, right: Tensor, seconds: float = 1.0) -> float:
    """FLOP/s of a matrix product, batched over draws: the median of as many as fit in this time."""
    times: list[float] = []
    left @ right
    while sum(times) < seconds:
        started = perf_counter()
        left @ right
        times.append(perf_counter() - started)
    flops = 2.0 * left.shape[0] * left.shape[1] * left.shape[2] * right.shape[2]
    return flops / sorted(times)[len(times) // 2]


def iterative(data: FeatureData, steps: int) -> None:
    """For each method, FLOP/s of its steps beside those of the machine for products of the same shapes.

    A step of a linear head has three products as large as that of its logits: the logits, and the gradients of the
    weights (and of the images, if these are adapted). They are counted as the recipe needs them.
    """
    count, classes = data.images.shape[2], data.classes
    hidden = WIDTH // 4

    def products(method: Method, options: Any) -> tuple[float, int]:
        """Multiplications and additions of one image in one step, and the rows of the largest product's factor."""
        head = 2.0 * classes * WIDTH
        if method is TIP_ADAPTER_F:
            return 2 * 2.0 * count * WIDTH, count
        if method is CLIP_ADAPTER:
            adapter = 2 * 2.0 * WIDTH * hidden
            return 2 * head + 2 * adapter - 2.0 * WIDTH * hidden, classes
        return 2 * head, classes

    epochs = {"batch_size": 256, "epochs": max(1, steps // -(-count // 256))}
    asked: list[tuple[Method, dict[str, Any]]] = [
        (ZS_LP, epochs),
        (TASKRES, epochs),
        (CLIP_ADAPTER, epochs),
        (TIP_ADAPTER_F, {**epochs, "epochs": 1}),
        (CROSS_MODAL, {"batch_size": 32, "steps": max(100, steps)}),
    ]
    for method, given in asked:
        options = method.options(**given)
        assert method.steps is not None
        flops, rows = products(method, options)
        batch = given["batch_size"]
        images = given["epochs"] * count if "epochs" in given else options.steps * batch
        factor = torch.randn(data.draws, WIDTH, rows)
        started = perf_counter()
        method.learn(data, options, unwatched)
        seconds = perf_counter() - started
        ours = flops * images * data.draws / seconds
        peer = rate_of(torch.randn(data.draws, batch, WIDTH), factor)
        print(
            f"{method.name:13} {method.steps(data, options):5} steps of {batch} x {data.draws} draws {seconds:6.2f} s, "
            f"{ours / 1e9:6.1f} GFLOP/s; products of ({batch}, {WIDTH}) and ({WIDTH}, {rows}) {peer / 1e9:6.1f}: "
            f"share {ours / peer:.2f}"
        )


def literal_tip_adapter(data: FeatureData, test: Tensor) -> Tensor:
    """Tip-Adapter as it is written, image by image and key by key of one draw."""
    options, found = TIP_ADAPTER.options(), []
    for image in test:
        row = options.scale * data.texts @ image
        for key, label in zip(data.images[0, 0], data.labels[0].tolist(), strict=True):
            row[label] += options.alpha * torch.exp(-options.beta * (1 - image @ key))
        found.append(int(row.argmax()))
    return torch.tensor(found)[None]


def scikit_probe(data: FeatureData, test: Tensor, c: float) -> Tensor:
    """scikit-learn's logistic regression of each draw."""
    found = []
    for images, labels in zip(data.images[:, 0], data.labels, strict=True):
        probe = LogisticRegression(C=c, max_iter=1000).fit(images.numpy(), labels.numpy())
        found.append(torch.from_numpy(probe.predict(test.numpy())))
    return torch.stack(found)


def differs(first: Tensor, second: Tensor) -> str:
    """How many answers of two ways differ."""
    return f"{int((first != second).sum()):,} of {first.numel():,} answers"


def small(repetitions: int) -> None:
    """Compare with peers that would take too long at the full size."""
    data, test, _ = made_up(100, 16, 5, 500)
    probe = LINEAR_PROBE.options(c=1.0)
    ways: list[Way[Tensor]] = [
        Way("scikit-learn, LogisticRegression", partial(scikit_probe, data, test, 1.0)),
        Way("vlmbench, linear-probe", partial(fit_and_score, LINEAR_PROBE, data, probe, test)),
    ]
    timings = take_turns(ways, repetitions)
    notes = [differs(timing.result, timings[0].result) for timing in timings]
    show("a probe of 100 classes × 16 images × 5 draws, C = 1", timings, differences=notes)
    data, test, _ = made_up(20, 16, 1, 40)
    run: Callable[[], Tensor] = partial(fit_and_score, TIP_ADAPTER, data, TIP_ADAPTER.options(), test)
    timings = take_turns([Way("a loop", partial(literal_tip_adapter, data, test)), Way("vlmbench", run)], repetitions)
    notes = [differs(timing.result, timings[0].result) for timing in timings]
    show("Tip-Adapter, 40 images, 20 classes × 16 keys", timings, differences=notes)


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("classes", 1000), ("shots", 16), ("draws", 5), ("test", 5000), ("steps", 70)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    data, test, labels = made_up(asked.classes, asked.shots, asked.draws, asked.test)
    closed(data, test, labels, asked.repetitions)
    iterative(data, asked.steps)
    small(asked.repetitions)


if __name__ == "__main__":
    main()
