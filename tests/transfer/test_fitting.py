"""Fitting measures what learning costs: seconds and memory, together or draw by draw."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from small_pictures import pictures
from tiny_vit import tiny_model
from toy_adapter import toy

from vlmbench.data.base import Chosen
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.peak_memory import PeakMemory
from vlmbench.features.settings import EngineSettings
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot, Fitted, LinearClassifier
from vlmbench.transfer.fitting import fit_draws
from vlmbench.transfer.methods.features.svl_adapter import METHOD as SVL_ADAPTER
from vlmbench.transfer.methods.towers.vp import METHOD as VP

SIZE = 300 * 2**20
HEAD = LinearClassifier(torch.eye(2), 1.0)


@dataclass(frozen=True)
class Alone:
    """A method that uses memory while it learns, and gives it back."""

    scores_new_classes: bool = False

    def fit(self, *_: object) -> LinearClassifier:
        torch.ones(SIZE, dtype=torch.uint8)
        return HEAD


@dataclass(frozen=True)
class Together:
    """A method that learns from all draws at once."""

    at_once: bool = True

    def fit_draws(
        self, engine: Any, supports: Sequence[FewShot], prompts: Any, options: Mapping[str, Any]
    ) -> list[Fitted]:
        return [Fitted(HEAD)] * len(supports)


def fit(method: Any) -> list[Any]:
    engine = FeatureEngine(toy(), EngineSettings())
    return fit_draws(method, engine, [FewShot(seed=0), FewShot(seed=1)], None, {})  # type: ignore[arg-type]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of resident memory")
def test_the_peak_is_that_of_learning_and_the_pair_s_peak_is_not_lost() -> None:
    pair = PeakMemory("cpu")
    calm = fit(Together())
    if calm[0].peak_bytes is None:
        pytest.skip("this system does not let a process reset its peak")
    alone = fit(Alone())
    assert [each.together for each in calm] == [2, 2] and [each.together for each in alone] == [1, 1]
    assert alone[0].peak_bytes - calm[0].peak_bytes > SIZE * 0.9
    whole = pair.peak()
    assert whole is not None and whole >= alone[0].peak_bytes
    assert fit(Together())[0].peak_bytes < whole


def test_without_a_measurement_of_the_run_there_is_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmbench.features.peak_memory._newest", None)
    assert [each.peak_bytes for each in fit(Alone())] == [None, None]


DATA = pictures({"cat": range(2), "dog": range(2, 4)})
SUPPORT = FewShot(2, Chosen(DATA, range(4)))
PROMPTS = PromptSet(("cat", "dog"), ("a photo of a {}.",), "data", "default")
SLOW = 0.2


def slowed(model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model, whose transform takes long."""
    own = model.preprocess

    def preprocess(image: Any) -> Any:
        time.sleep(SLOW)
        return own(image)

    monkeypatch.setattr(model, "preprocess", preprocess, raising=False)
    return model


def test_reading_with_another_model_is_no_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[float] = []

    def other(name: str) -> FeatureEngine:
        loads.append(SLOW)
        time.sleep(SLOW)
        return FeatureEngine(slowed(toy(), monkeypatch), EngineSettings(workers=1))

    engine = FeatureEngine(toy(), EngineSettings(), others=other)
    (fit,) = fit_draws(SVL_ADAPTER, engine, [SUPPORT], PROMPTS, {"other": "second", "epochs": 1})  # type: ignore[arg-type]
    assert fit.seconds < SLOW and len(loads) == 1
    assert engine.other("second").seconds["images"] >= SLOW, "it stays the same engine, and counts its own time"


def test_reading_pixels_is_no_learning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = FeatureEngine(tiny_model(tmp_path), EngineSettings(workers=1))
    options = {"epochs": 1, "views": 1, "batch_size": 4}
    fit_draws(VP, engine, [SUPPORT], PROMPTS, options)  # type: ignore[arg-type]
    slow = FeatureEngine(slowed(engine.model, monkeypatch), EngineSettings(workers=1))
    (fit,) = fit_draws(VP, slow, [SUPPORT], PROMPTS, options)  # type: ignore[arg-type]
    assert fit.seconds < SLOW <= slow.seconds["images"]
