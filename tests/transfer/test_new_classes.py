"""Every method that says it scores new classes answers base-to-new and another task; every other one is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_pictures import pictures
from tiny_vit import tiny_model

from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.errors import UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.tasks.learnt_classes import check_learnt_classes
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import StatesOptions, lacks_needs, learns_from

SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC)
OTHER = TaskCard(name="other", sources=SPEC, train=SPEC)
COLOURS = ((180, 90, 90), (90, 180, 90), (90, 90, 180), (180, 180, 90), (90, 180, 180))
NAMES = ("red", "green", "blue", "gold", "teal")


def data(role: int, names: tuple[str, ...] = NAMES) -> ToyImages:
    numbers = {name: range(1000 * role + 100 * c, 1000 * role + 100 * c + 3) for c, name in enumerate(names)}
    return pictures(numbers, COLOURS)


NEW = [name for name in METHODS if name != "zero-shot" and METHODS.get(name).scores_new_classes]
OLD = [name for name in METHODS if not METHODS.get(name).scores_new_classes]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_model(tmp_path_factory.mktemp("configs"))


def asked(name: str, **fields: Any) -> TransferAsked:
    method = METHODS.get(name)
    quick = {"epochs": 1, "batch_size": 2, "views": 2, "steps": 1, "iterations": 1}
    known = method.options.model_fields if isinstance(method, StatesOptions) else {}
    options = {option: value for option, value in quick.items() if option in known}
    shots = 0 if learns_from(method) == "nothing" else 1
    return TransferAsked(name, shots, 0, "no-validation", options, **fields)


def answered(model: Any, of: TransferAsked, names: tuple[str, ...] = NAMES) -> Any:
    datasets: dict[Role, ImageDataset] = {"test": data(0, names), "train": data(1)}
    question = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=of))
    return question.answer(FeatureEngine(model, EngineSettings(batch_size=8)))


@pytest.mark.parametrize("name", NEW)
def test_base_to_new(model: Any, name: str) -> None:
    if reason := lacks_needs(METHODS.get(name), model):
        pytest.skip(reason)
    outcome = answered(model, asked(name, setting="base-to-new"))
    assert list(outcome.metrics)[:4] == ["h_acc1", "base_acc1", "new_acc1", "acc1"]
    closed, labels = (np.array(outcome.predictions[column].to_pylist()) for column in ("closed", "label"))
    assert ((closed >= 3) == (labels >= 3)).all() and outcome.metrics["new_acc1"].n == 6


@pytest.mark.parametrize("name", [name for name in NEW if learns_from(METHODS.get(name)) != "nothing"])
def test_another_tasks_data(model: Any, name: str) -> None:
    if reason := lacks_needs(METHODS.get(name), model):
        pytest.skip(reason)
    outcome = answered(model, asked(name, source=OTHER), ("plum", "lime", "gray"))
    assert outcome.metrics["acc1"].n == 9 and [row.name for row in outcome.per_class] == ["plum", "lime", "gray"]


@pytest.mark.parametrize("name", OLD)
def test_a_method_without_new_classes_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--setting base-to-new scores new classes, and .*'{name}' cannot"):
        check_learnt_classes(CARD, asked(name, setting="base-to-new"))


def test_there_are_methods_of_each_kind() -> None:
    assert {"clip-adapter", "coop", "cocoop", "kgcoop", "prograd"} <= set(NEW)
    assert {"tip-adapter", "gda", "nearest-mean", "linear-probe", "taskres"} <= set(OLD)
