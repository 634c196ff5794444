"""Methods that need the towers: test labels choose nothing, the model stays as it was, and the cache sees no change."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_pictures import pictures
from tiny_vit import tiny_model

from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.run_cache import RunCache
from vlmbench.features.settings import EngineSettings
from vlmbench.models.towers.weights import state_sha256
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import StatesOptions, learns_from
from vlmbench.transfer.encoded import encoded

SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC, val=SPEC)
COLOURS = ((170, 100, 100), (100, 170, 100), (100, 100, 170))
DATA: dict[Role, ToyImages] = {
    role: pictures({name: range(start + 100 * c, start + 100 * c + 4) for c, name in enumerate("abc")}, COLOURS)
    for start, role in ((0, "test"), (1000, "train"), (2000, "val"))
}
WITH_TOWERS = [name for name in METHODS if METHODS.get(name).needs]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_model(tmp_path_factory.mktemp("configs"))


def answered(model: Any, name: str, data: dict[Role, ToyImages], spaces: RunCache | None = None) -> Outcome:
    method = METHODS.get(name)
    quick = {"epochs": 2, "batch_size": 4, "views": 2, "steps": 1, "iterations": 2, "warmup": 0}
    known = method.options.model_fields if isinstance(method, StatesOptions) else {}
    options = {option: value for option, value in quick.items() if option in known}
    shots, track = (0, "no-validation") if learns_from(method) == "nothing" else (2, "few-shot-validation")
    asked = TransferAsked(name, shots, 0, track, options)  # type: ignore[arg-type]
    datasets: dict[Role, ImageDataset] = {**data}
    question = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=asked))
    return question.answer(FeatureEngine(model, EngineSettings(batch_size=8), spaces))


@pytest.mark.parametrize("name", WITH_TOWERS)
def test_test_labels_choose_nothing_and_the_model_stays(name: str, model: Any) -> None:
    labels = [sample.target for sample in DATA["test"].samples]
    random.Random(5).shuffle(labels)
    pairs = zip(DATA["test"].samples, labels, strict=True)
    other = replace(DATA["test"], samples=[replace(sample, target=label) for sample, label in pairs])
    before = state_sha256(model.network), model.network.training
    flags = [parameter.requires_grad for parameter in model.network.parameters()]
    answers = [answered(model, name, data) for data in (DATA, {**DATA, "test": other})]
    found = [
        [answer.predictions[column].to_pylist() for column in ("sample", "top", "top_scores", "zero_shot")]
        for answer in answers
    ]
    infos = [answer.transfer for answer in answers]
    assert infos[0] is not None and infos[1] is not None
    assert found[0] == found[1] and (infos[0].chosen, infos[0].step) == (infos[1].chosen, infos[1].step)
    assert (state_sha256(model.network), model.network.training) == before
    assert [parameter.requires_grad for parameter in model.network.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.network.parameters())


@pytest.mark.parametrize("name", [name for name in WITH_TOWERS if METHODS.get(name).reads == "pixels"])
def test_features_of_a_changed_tower_never_reach_the_cache(
    name: str, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path))
    chosen = Chosen(DATA["test"], range(len(DATA["test"].samples)))
    own = encoded(FeatureEngine(model, EngineSettings(batch_size=8)), chosen).features
    cache = RunCache(True, "fp32")
    answered(model, name, DATA, cache)
    after = FeatureEngine(model, EngineSettings(batch_size=8), cache)
    cached = encoded(after, chosen).features
    assert after.tally.hits == len(own) and torch.equal(cached, own)
    cache.close_model()
    cache.finish()
