"""Every built-in method keeps what the protocol promises; and for each newer promise, a method that breaks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.prompts import PromptSet
from vlmbench.testing import ConformanceError, check_transfer
from vlmbench.transfer import METHODS
from vlmbench.transfer.base import FewShot, Fitted, LearnsFrom, LinearClassifier, MethodOptions, StatesOptions
from vlmbench.transfer.features import FeatureMethod
from vlmbench.transfer.methods.features import cross_modal
from vlmbench.transfer.methods.features.nearest_mean import METHOD as NEAREST_MEAN

BUILT_IN = [name for name in METHODS if isinstance(METHODS.get(name), FeatureMethod)]


def quick(name: str) -> dict[str, Any]:
    """Options with which a method takes few steps."""
    method = METHODS.get(name)
    assert isinstance(method, StatesOptions)
    asked = {"epochs": 5, "steps": 24, "batch_size": 8, "weight_decay": 0.0, "other": "another-toy"}
    if name == "svl-adapter":
        asked |= {"epochs": 50, "lr": 0.03}  # its network begins at random: soon, columns do not follow their classes
    return {option: value for option, value in asked.items() if option in method.options.model_fields}


def small(name: str) -> Any:
    """The method with two values of each setting that validation compares. All of them take most of the time."""
    method = METHODS.get(name)
    assert isinstance(method, FeatureMethod)
    early = {setting: values[:2] for setting, values in method.early.items()}
    late = {setting: values[2:4] if len(values) > 3 else values[:2] for setting, values in method.late.items()}
    return replace(method, early=early, late=late)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_method_keeps_every_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_modal, "COMPARED_EVERY", 10)
    found = check_transfer(small(name), options=quick(name))
    assert len(found.kept) == 12 + METHODS.get(name).scores_new_classes and not found.skipped


def test_calip_keeps_every_promise_of_a_method_that_learns_from_no_image() -> None:
    found = check_transfer("calip", shots=0)
    assert len(found.kept) == 12 and [promise for promise, _ in found.skipped] == [
        "Features that are NaN stop it with TransferError"
    ]


class Undescribed(MethodOptions):
    lr: float = 1.0


@dataclass
class Broken:
    """Nearest mean, with a flaw."""

    flaw: str
    options: type[MethodOptions] = field(default_factory=lambda: NEAREST_MEAN.options)
    learns_from: LearnsFrom = "labels"
    name: str = "broken"
    version: int = 1
    needs: frozenset[type] = frozenset()
    reads: str = "features"
    scores_new_classes: bool = False
    at_once: bool = True

    def fit(self, engine: FeatureEngine, support: FewShot, prompts: PromptSet, options: Mapping[str, Any]) -> Any:
        return self.fit_draws(engine, [support], prompts, options)[0].classifier

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> list[Fitted]:
        if self.flaw == "any option":
            options = {}
        weights = self._weights(engine, supports, prompts, options)
        if self.flaw == "mixed":
            weights = [weights[0] * 0.5 + weight * 0.5 for weight in weights]
        of_learnt = {"same": lambda engine, prompts: LinearClassifier(weights[0], 1.0)}
        return [Fitted(LinearClassifier(weight, 1.0), for_classes=of_learnt.get(self.flaw)) for weight in weights]

    def _weights(self, *asked: Any) -> list[Tensor]:
        return [fitted.classifier.weights for fitted in NEAREST_MEAN.fit_draws(*asked)]  # type: ignore[attr-defined]


@dataclass
class Nan(Broken):
    """It catches no NaN: its weights are plain means of what the engine gives."""

    def fit_draws(
        self, engine: FeatureEngine, supports: Sequence[FewShot], prompts: PromptSet, options: Mapping[str, Any]
    ) -> list[Fitted]:
        NEAREST_MEAN.options.model_validate(dict(options))
        found = []
        for support in supports:
            assert support.train is not None
            rows: list[list[Tensor]] = [[] for _ in prompts.class_names]
            for batch in engine.images(support.train.dataset, support.train.indices):
                for index, feature in zip(batch.indices, batch.features, strict=True):
                    rows[int(str(support.train.dataset.samples[index].target))].append(feature)
            found.append(Fitted(LinearClassifier(torch.stack([torch.stack(own).mean(0) for own in rows]), 1.0)))
        return found


@pytest.mark.parametrize(
    "method, promise",
    [
        (Broken("no description", options=Undescribed), "Each setting has a type"),
        (Broken("", learns_from="books"), "Each setting has a type"),  # type: ignore[arg-type]
        (Broken("any option"), "An option that it does not have"),
        (Broken("mixed"), "Draws that are learnt together"),
        (Nan("nan"), "Features that are NaN"),
        (Broken("", scores_new_classes=True), "What was learnt makes a classifier of new classes"),
        (Broken("same", scores_new_classes=True), "What was learnt makes a classifier of new classes"),
    ],
)
def test_a_method_that_breaks_a_promise_is_caught(method: Any, promise: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_transfer(method)
    assert [each.promise for each in caught.value.broken if each.promise.startswith(promise)]


def test_nearest_mean_without_a_flaw_is_not_broken() -> None:
    assert len(check_transfer(Broken("")).kept) == 12
