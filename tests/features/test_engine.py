"""The engine's one call for capabilities: batches, halves, precision, gradients and time, for any capability at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import pytest
import torch
from torch import Tensor
from toy_adapter import toy

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError, UnsupportedError, VlmbenchWarning
from vlmbench.features.batches import rows_of
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.models.base import capability


@runtime_checkable
class PairCounter(Protocol):
    """A capability that vlmbench knows nothing of."""

    def count_pairs(self, images: Sequence[Tensor], texts: Sequence[str]) -> list[dict[str, int]]: ...


class Counting:
    """A model that offers it, and no encoders."""

    card = ModelCard(name="counting", adapter="x")
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.capabilities = {"PairCounter": self}
        self.batches: list[int] = []

    def count_pairs(self, images: Sequence[Tensor], texts: Sequence[str]) -> list[dict[str, int]]:
        self.batches.append(len(images))
        return [{text: int(image.sum()) for text in texts} for image in images]


def engine(model: object | None = None, **settings: object) -> FeatureEngine:
    return FeatureEngine(model or toy(), EngineSettings(**settings))  # type: ignore[arg-type]


def test_a_new_capability_needs_no_new_method() -> None:
    model = Counting()
    offered = capability(model, PairCounter)  # type: ignore[arg-type]
    assert offered is not None
    asked = engine(model, batch_size=2)
    answers = asked.ask(lambda images: offered.count_pairs(images, ["a"]), [torch.tensor(n) for n in range(5)])
    assert model.batches == [2, 2, 1]
    assert [answer["a"] for batch in answers for answer in batch] == [0, 1, 2, 3, 4]


def test_a_model_without_encoders_is_not_asked_for_features() -> None:
    with pytest.raises(UnsupportedError, match="counting: it does not map whole images and texts"):
        engine(Counting()).texts(["a"])


def test_nothing_is_asked_of_nothing() -> None:
    assert engine().ask(lambda batch: pytest.fail("called"), []) == []


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("can't allocate memory: tried")])
def test_memory_that_runs_out_halves_the_batch_and_keeps_the_order(error: Exception) -> None:
    def call(batch: Sequence[int]) -> Tensor:
        if len(batch) > 2:
            raise error
        return torch.tensor([[value] for value in batch])

    with pytest.warns(VlmbenchWarning, match="a batch of 5 did not .* continued with batches of 2"):
        parts = engine(batch_size=5).ask(call, list(range(7)))
    assert [len(part) for part in parts] == [2, 1, 2, 2]
    assert rows_of(parts).flatten().tolist() == list(range(7))


def test_an_input_that_does_not_fit_alone_is_an_error() -> None:
    def call(batch: Sequence[int]) -> None:
        raise torch.OutOfMemoryError("full")

    with pytest.raises(ModelError, match="out of memory on a single input"), pytest.warns(VlmbenchWarning):
        engine(batch_size=2).ask(call, [1, 2])


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_capabilities_run_in_the_precision_asked_for(precision: str, dtype: torch.dtype) -> None:
    weight = torch.randn(4, 4)
    (answer,) = engine(precision=precision).ask(lambda rows: torch.stack(list(rows)) @ weight, [torch.ones(4)])
    assert answer.dtype == dtype and answer.is_inference()


def test_gradients_reach_what_was_asked_to_learn() -> None:
    weight = torch.randn(4, 2, requires_grad=True)
    rows = [torch.full((4,), float(value)) for value in range(5)]

    def call(batch: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(batch)) @ weight

    assert not rows_of(engine(batch_size=2).ask(call, rows)).requires_grad
    with torch.inference_mode():  # whatever the caller's own mode is
        answers = engine(batch_size=2).ask(call, rows, gradients=True)
    rows_of(answers).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.full((4, 2), 10.0))


def test_the_time_is_the_models() -> None:
    asked = engine()
    asked.ask(lambda batch: [time.perf_counter()], [1])
    assert asked.tally.forward_seconds > 0
    assert "images" not in asked.seconds
