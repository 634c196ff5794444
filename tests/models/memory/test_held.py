"""Every network that a model in memory uses is found: it answers in evaluation mode, and trains on as before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from models.memory.test_given import NORMAL, Usual, images, letters
from torch import Tensor, nn

import vlmbench
from vlmbench.models.memory.held import modules_of
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.testing import toy_model

tower = nn.Linear(2, 2)
"""A network that functions of this file reach as a global name."""


class Slots:
    __slots__ = ("empty", "network")

    def __init__(self, network: nn.Module) -> None:
        self.network = network


def noisy() -> nn.Module:
    """A tower whose features in training mode are random, and that counts batches then."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Embedding(128, 6), nn.Flatten(), nn.LazyLinear(6), nn.BatchNorm1d(6), nn.Dropout(0.9))


def test_a_network_is_found_where_a_function_or_object_has_it() -> None:
    net, list_of = nn.Linear(1, 1), nn.Linear(3, 3)
    holder = nn.Module()
    holder.parts = [list_of]  # type: ignore[assignment]
    found: dict[str, object] = {
        "closure": lambda: net,
        "inner function": lambda: (lambda: net)(),
        "default": lambda network=net: network,
        "bound method": net.forward,
        "partial": partial(lambda network: network, net),
        "attribute": SimpleNamespace(parts={"towers": [net]}),
        "slot": Slots(net),
    }
    for where, each in found.items():
        assert modules_of(each) == (net,), where
    assert modules_of(lambda: tower(torch.ones(2))) == (tower,)
    assert modules_of(holder) == (holder, list_of), "a list of modules is not registered"
    both = nn.Sequential(net)
    assert modules_of(both, net) == (both,), "a part is not named beside the whole"
    loop: dict[str, Any] = {}
    loop["self"] = loop
    assert modules_of(loop, None, "text", 3, nn) == ()


def test_a_text_tower_of_a_function_is_evaluated_and_left_as_it_was() -> None:
    image, text = nn.Sequential(nn.Flatten(), nn.Linear(192, 6)), noisy()
    text(letters(["a", "b"]))
    model = vlmbench.as_model(image, NORMAL, letters, encode_image=image, encode_text=lambda ids: text(ids))
    counted = text[3].num_batches_tracked.clone()
    first, second = (vlmbench.evaluate(model, images())[0] for _ in range(2))
    assert first.metrics == second.metrics, "dropout was off"
    assert text.training and text[3].training and torch.equal(text[3].num_batches_tracked, counted)


def test_the_text_tower_of_a_function_is_part_of_a_stated_identity(tmp_path: Path) -> None:
    image, text = nn.Sequential(nn.Flatten(), nn.Linear(192, 6)), nn.Embedding(128, 6)

    def read(tokens: Tensor) -> Tensor:
        return text(tokens).mean(dim=1)

    model = vlmbench.as_model(image, NORMAL, letters, encode_image=image, encode_text=read, name="m", identity="hash")
    first, again = (vlmbench.evaluate(model, images(), results=tmp_path)[0] for _ in range(2))
    assert first.id == again.id
    with torch.no_grad():
        text.weight.neg_()
    assert vlmbench.evaluate(model, images(), results=tmp_path)[0].id != first.id


@pytest.mark.parametrize("where", ["list", "slots"])
def test_the_network_of_an_object_is_evaluated_wherever_the_object_has_it(where: str) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    object_: Any = toy_model()
    object_.parts = [network] if where == "list" else Slots(network)
    seen: list[bool] = []
    encode = object_.encode_image

    def encode_image(pixels: Tensor) -> Tensor:
        seen.append(network.training)
        features: Tensor = encode(pixels)
        return features

    object_.encode_image = encode_image
    vlmbench.evaluate(object_, images(), use_cache=False)
    assert seen and not any(seen) and all(part.training for part in network.modules())


def test_two_threads_take_turns() -> None:
    modules = [Usual(seed) for seed in range(2)]
    models = [vlmbench.as_model(module, NORMAL, letters, name=str(seed)) for seed, module in enumerate(modules)]
    alone = [vlmbench.evaluate(model, images())[0].metrics for model in models]
    torch.manual_seed(7)
    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda turn: vlmbench.evaluate(models[turn % 2], images())[0].metrics, range(6)))
    assert found == [alone[turn % 2] for turn in range(6)]
    assert all(module.training for module in modules) and torch.equal(torch.get_rng_state(), state)


def test_buffers_made_in_inference_mode_are_put_back() -> None:
    with torch.inference_mode():
        module = nn.BatchNorm1d(3)
    with undisturbed([module]), torch.inference_mode():
        module.running_mean.add_(1)  # type: ignore[union-attr, operator]
    assert torch.equal(module.running_mean, torch.zeros(3))  # type: ignore[arg-type]
    assert module.weight.requires_grad


def test_a_part_that_its_own_train_method_leaves_in_training_mode_is_evaluated() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def train(self, mode: bool = True) -> Any:
            self.training = mode
            return self

    module = Stubborn()
    with undisturbed([module]):
        assert not module.drop.training
    assert module.drop.training and module.training


def test_a_program_that_torch_exported_has_one_mode() -> None:
    program = torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)).module()
    with undisturbed([program]):
        assert program(torch.ones(1, 2)).shape == (1, 2)
