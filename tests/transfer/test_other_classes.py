"""Classes that were not learnt, or that were learnt under names that differ a little."""

from __future__ import annotations

import pytest
import torch
from toy_adapter import toy

from vlmbench.api import load_task
from vlmbench.errors import TransferError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.prompts import PromptSet
from vlmbench.transfer import METHODS
from vlmbench.transfer.base import FewShot, LinearClassifier
from vlmbench.transfer.fitting import fit_draws
from vlmbench.transfer.other_classes import Learnt, SomeClasses, find_classes, scores_new_classes

WHOLE = LinearClassifier(torch.arange(12.0).reshape(4, 3), 7.0)
IMAGES = torch.tensor([[1.0, 0.0, 2.0], [0.5, -1.0, 0.0]])


def prompts(*names: str) -> PromptSet:
    return PromptSet(names, ("a photo of a {}.",), "data", "default")


@pytest.mark.parametrize(
    "names, learnt, labels",
    [
        (["b", "a"], ["a", "b", "c"], ((1,), (0,))),
        (["Sea Lion"], ["eel", "sea_lion"], ((1,),)),
        (["a", "x"], ["a", "b"], ((0,), ())),
        (["crane", "b", "crane"], ["crane", "crane", "b"], ((0,), (2,), (1,))),
        (["crane", "b"], ["crane", "b", "Crane"], ((0, 2), (1,))),
        (["crane", "crane"], ["crane", "b"], ((0,), (0,))),
    ],
)
def test_classes_are_found_by_name(names: list[str], learnt: list[str], labels: tuple[tuple[int, ...], ...]) -> None:
    found = find_classes(names, learnt)
    assert found.labels == labels
    assert found.missing(names) == [name for name, own in zip(names, labels, strict=True) if not own]


@pytest.mark.parametrize("task", ["imagenet-v2", "imagenet-sketch", "imagenet-a", "imagenet-r"])
def test_imagenet_has_the_classes_of_its_variants(task: str) -> None:
    learnt, wanted = (load_task(name).classes for name in ("imagenet1k", task))
    assert learnt is not None and wanted is not None
    found = find_classes(wanted, learnt)
    several = {name for name, labels in zip(wanted, found.labels, strict=True) if len(labels) > 1}
    assert not found.missing(wanted) and several == ({"missile"} if task == "imagenet-r" else set())


def test_some_classes_are_columns_of_the_whole() -> None:
    some, every = SomeClasses(WHOLE, ((3,), (0,))), WHOLE.logits(IMAGES)
    assert torch.equal(some.logits(IMAGES), every[:, [3, 0]]) and some.scale == 7.0


def test_of_several_classes_of_one_name_the_best_counts() -> None:
    found, every = SomeClasses(WHOLE, ((1,), (2, 0))).logits(IMAGES), WHOLE.logits(IMAGES)
    assert torch.equal(found, torch.stack([every[:, 1], torch.maximum(every[:, 2], every[:, 0])], dim=1))


def engine() -> FeatureEngine:
    return FeatureEngine(toy(), EngineSettings(batch_size=8))


def test_a_method_without_new_classes_gives_the_columns_of_the_names() -> None:
    learnt = Learnt("nearest-mean", prompts("a", "b", "c", "d"), WHOLE, None)
    assert learnt.of(engine(), prompts("a", "b", "c", "d")) is WHOLE
    found = learnt.of(engine(), prompts("D", "b"))
    assert torch.equal(found.logits(IMAGES), WHOLE.logits(IMAGES)[:, [3, 1]])
    with pytest.raises(TransferError, match="nearest-mean gave no classifier of classes that it did not learn"):
        learnt.of(engine(), prompts("a", "e"))


def test_a_method_with_new_classes_makes_their_classifier() -> None:
    (fit,) = fit_draws(METHODS.get("zero-shot"), engine(), [FewShot()], prompts("a", "b"), {})
    learnt = Learnt("zero-shot", prompts("a", "b"), fit.fitted.classifier, fit.fitted.for_classes)
    found = learnt.of(engine(), prompts("e", "a", "f"))
    assert isinstance(found, LinearClassifier) and found.weights.shape[0] == 3
    own = fit.fitted.classifier
    assert isinstance(own, LinearClassifier) and torch.allclose(found.weights[1], own.weights[0])


def test_options_decide_whether_new_classes_can_be_scored() -> None:
    coop = METHODS.get("coop")
    assert scores_new_classes(coop, {}) and not scores_new_classes(coop, {"class_specific": True})
    found = {
        name: scores_new_classes(METHODS.get(name), {}) for name in ("clip-adapter", "tip-adapter", "gda", "zs-lp")
    }
    assert found == {"clip-adapter": True, "tip-adapter": False, "gda": False, "zs-lp": False}
