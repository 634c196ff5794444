"""An evaluation inside a real training loop: the numbers of the command line, and nothing left changed."""

from __future__ import annotations

import copy
import io
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import PIL.ImageFile
import pytest
import torch
from command_line import command
from repository import REPOSITORY
from safetensors.torch import save_file

import vlmbench
from vlmbench.demo.sets import DEMO_SETS
from vlmbench.records import Record
from vlmbench.store import ResultStore

DEMO = REPOSITORY / "vlmbench/demo/checkpoint"
TASKS = ("demo-scenes",)
STEPS, EVERY, BATCH, LIMIT = 50, 10, 4, 16

Trained = tuple[Any, Any, Any]


@pytest.fixture(scope="module")
def start() -> Trained:
    """open_clip's network of the demo, its transform and its tokenizer, as a training script makes them."""
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{DEMO}")
    return network.train(), transform, open_clip.get_tokenizer(f"local-dir:{DEMO}")


@pytest.fixture(scope="module")
def batches(start: Trained) -> list[tuple[torch.Tensor, torch.Tensor]]:
    _, transform, tokenizer = start
    made = DEMO_SETS["scenes"]().samples[: BATCH * 8]
    pixels = torch.stack([transform(PIL.Image.open(io.BytesIO(sample.image))) for sample in made])
    tokens = tokenizer([sample.captions[0] for sample in made])
    return list(zip(pixels.split(BATCH), tokens.split(BATCH), strict=True))


def save(network: Any, folder: Path) -> Path:
    shutil.copytree(DEMO, folder)
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def train(start: Trained, batches: list[Any], at_each_tenth: Any) -> Any:
    """Fifty steps of open_clip's loss; noise makes each step depend on torch's, NumPy's and Python's random states."""
    torch.manual_seed(3), np.random.seed(3), random.seed(3)
    network = copy.deepcopy(start[0])
    network.visual.layer1.eval()  # a frozen part, as fine-tuning has it
    network.visual.layer1.requires_grad_(False)
    loss = open_clip.ClipLoss()
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-4)
    for step in range(STEPS):
        pixels, tokens = batches[random.randrange(len(batches))]
        noisy = pixels + 0.1 * torch.randn_like(pixels) + float(np.random.normal(0, 0.01))
        image, text, scale = network(noisy, tokens)
        total = loss(image, text, scale)
        if (step + 1) % EVERY == 0:
            at_each_tenth(network)  # in the worst place: between the forward pass and its gradients
        total.backward()
        optimizer.step()
        optimizer.zero_grad()
    return network


def test_the_numbers_are_those_of_the_weights_saved_and_nothing_changes(
    start: Trained, batches: list[Any], tmp_path: Path
) -> None:
    found: list[list[Record]] = []

    def evaluate(network: Any) -> None:
        model = vlmbench.as_model(network, start[1], start[2], name="mine")
        found.append(vlmbench.evaluate(model, TASKS, limit=LIMIT))
        save(network, tmp_path / str(len(found)))

    with_evaluations = train(start, batches, evaluate)
    without = train(start, batches, lambda network: None)
    mine, theirs = with_evaluations.state_dict(), without.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs), "an evaluation has changed the training"
    assert [m.training for m in with_evaluations.modules()] == [m.training for m in without.modules()]
    assert [p.requires_grad for p in with_evaluations.parameters()] == [p.requires_grad for p in without.parameters()]

    assert len(found) == STEPS // EVERY
    names = [f"open_clip:local-dir:{tmp_path / str(number)}" for number in range(1, len(found) + 1)]
    asked = [*(part for name in names for part in ("-m", name)), *(part for task in TASKS for part in ("-t", task))]
    results = tmp_path / "runs"
    done = command("run", *asked, "--limit", LIMIT, "--device", "cpu", "--no-cache", "--results", results)
    assert done.returncode == 0, done.stderr
    written = [record for record in ResultStore(results) if isinstance(record, Record)]
    saved = {(record.model.name, record.task.name): record for record in written}
    for name, records in zip(names, found, strict=True):
        for record in records:
            other = saved[name, record.task.name]
            assert record.metrics == other.metrics and record.per_class == other.per_class
            assert record.model.weights_sha256 == other.model.weights_sha256
            assert record.model.capabilities == other.model.capabilities
            assert record.task.dataset == other.task.dataset
    ids = [record.id for records in found for record in records]
    assert len(set(ids)) == len(ids)
    assert len({record.model.weights_sha256 for records in found for record in records}) == len(found)


@pytest.mark.parametrize("end", [None, ValueError("broken"), KeyboardInterrupt()])
def test_everything_is_as_it_was_whatever_ends_the_evaluation(start: Trained, end: BaseException | None) -> None:
    network = copy.deepcopy(start[0])
    network.visual.eval()
    network(torch.zeros(2, 3, 64, 64), start[2](["a", "b"]))[0].sum().backward()
    calls = 0

    def encode_image(pixels: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        torch.rand(3), np.random.rand(), random.random()
        network.visual.bn1.running_mean.add_(1)
        assert not network.training and torch.get_default_dtype() == torch.float32
        if end is not None and calls == 2:
            raise end
        features: torch.Tensor = network.encode_image(pixels)
        return features

    model = vlmbench.as_model(network, start[1], start[2], encode_image=encode_image, encode_text="encode_text")
    before, parameters = snapshot(network), list(network.parameters())
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("high")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
            if end is None:
                vlmbench.evaluate(model, "demo-scenes", limit=24)
            else:
                with pytest.raises(KeyboardInterrupt if isinstance(end, KeyboardInterrupt) else Exception):
                    vlmbench.evaluate(model, "demo-scenes", limit=24)
            assert torch.is_autocast_enabled("cpu") and not torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
    assert calls >= 2
    after = snapshot(network)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]) if isinstance(value, torch.Tensor) else value == after[name], name
    assert all(mine is other for mine, other in zip(network.parameters(), parameters, strict=True))


def snapshot(network: Any) -> dict[str, Any]:
    gradients = {f"gradient of {n}": p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
    return {
        **{name: value.clone() for name, value in network.state_dict().items()},
        **gradients,
        "modes": [module.training for module in network.modules()],
        "leaves": [(p.requires_grad, p.is_leaf, p.is_inference()) for p in network.parameters()],
        "hooks": [len(module._forward_hooks) for module in network.modules()],
        "python": random.getstate(),
        "numpy": str(np.random.get_state()),
        "torch": torch.get_rng_state(),
        "threads": torch.get_num_threads(),
        "truncated": PIL.ImageFile.LOAD_TRUNCATED_IMAGES,
    }
