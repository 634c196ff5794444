"""check_transfer: zero-shot keeps all promises, and for each promise there is a method that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.models.base import Detector
from vlmbench.prompts import PromptSet
from vlmbench.testing import ConformanceError, check_transfer
from vlmbench.transfer.base import FewShot, LinearClassifier, Reads
from vlmbench.transfer.methods.zero_shot import METHOD


def test_zero_shot_keeps_every_promise_of_a_method_without_settings() -> None:
    for shots in (0, 2):
        found = check_transfer("zero-shot", shots=shots)
        assert len(found.kept) == 8 + (shots > 0)
        assert "Draws that are learnt together are draws learnt alone" in dict(found.skipped)


@dataclass
class Changed:
    """Logits of zero-shot, changed."""

    head: LinearClassifier
    change: Callable[[Tensor], Tensor]
    scale: float = 1.0

    def logits(self, inputs: Tensor) -> Tensor:
        return self.change(self.head.logits(inputs))


@dataclass
class Method:
    flaw: str = ""
    name: str = "mutant"
    version: int = 1
    needs: frozenset[type] = frozenset()
    reads: Reads = "features"
    scores_new_classes: bool = True

    def fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]) -> Changed:
        model: Any = engine.model
        changes: dict[str, Callable[[Tensor], Tensor]] = {
            "shape": lambda found: found[:, :-1],
            "double": Tensor.double,
            "nan": lambda found: found * float("nan"),
            "batch": lambda found: found - found.mean(dim=0),
            "blind": lambda found: found[:1].expand_as(found) * 1.0,
            "one class": lambda found: found[:, :1].expand_as(found) * 1.0,
        }
        if self.flaw == "weights":
            model.text_weight += 1
        if self.flaw == "crash":
            raise KeyError("no setting")
        noise = torch.rand(1) if self.flaw == "random" else torch.zeros(1)
        if self.flaw == "threads":
            torch.set_float32_matmul_precision("high")
        if self.flaw == "sorted":
            prompts = replace(prompts, class_names=tuple(sorted(prompts.class_names)))
        change = changes.get(self.flaw, lambda found: found + noise)
        return Changed(METHOD.fit(engine, support, prompts, options), change, 0.0 if self.flaw == "scale" else 1.0)


FLAWS: dict[str, tuple[Method, str]] = {
    "version": (Method(version=0), "It states its name"),
    "reads": (Method(reads="words"), "It states its name"),  # type: ignore[arg-type]
    "needs": (Method(needs=["Detector"]), "It states its name"),  # type: ignore[arg-type]
    "crash": (Method("crash"), "It fits a classifier"),
    "scale": (Method("scale"), "The classifier's scale"),
    **{flaw: (Method(flaw), "logits gives finite float32 (B, C)") for flaw in ("shape", "double", "nan", "batch")},
    **{flaw: (Method(flaw), "Different images have different logits") for flaw in ("blind", "one class", "sorted")},
    "random": (Method("random"), "The same support set and seed"),
    "weights": (Method("weights"), "The model's weights are the same"),
    "threads": (Method("threads"), "It changes no setting"),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_broken_method_is_caught(flaw: str) -> None:
    method, promise = FLAWS[flaw]
    precision = torch.get_float32_matmul_precision()
    with pytest.raises(ConformanceError) as caught:
        check_transfer(method)
    torch.set_float32_matmul_precision(precision)
    assert any(each.promise.startswith(promise) for each in caught.value.broken)


def test_a_method_whose_needs_the_model_lacks_is_skipped() -> None:
    assert "It fits a classifier" in dict(check_transfer(Method(needs=frozenset({Detector}))).skipped)


def test_a_method_that_begins_with_random_weights_is_not_broken() -> None:
    class Random(Method):
        def fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]) -> Any:
            head = METHOD.fit(engine, support, prompts, options)
            noise = torch.randn(head.weights.shape, generator=torch.Generator().manual_seed(support.seed))
            return LinearClassifier(head.weights + 0.01 * noise, 1.0)

    assert check_transfer(Random()).kept
