"""Test images are scored on the samples that both the method and zero-shot can take, and each is read once."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import PIL.Image
import pytest
from small_pictures import pictures
from tiny_vit import tiny_model
from toy_adapter import toy

from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset, sample_digest
from vlmbench.errors import BadSampleError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer.asked import Setting, TransferAsked
from vlmbench.transfer.views import ViewDataset

SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC, val=SPEC)
COLOURS = ((180, 90, 90), (90, 180, 90), (90, 90, 180), (180, 180, 90))


def data() -> dict[Role, ToyImages]:
    roles: tuple[tuple[int, Role], ...] = ((0, "test"), (1000, "train"), (2000, "val"))
    return {
        role: pictures({name: range(first + 100 * c, first + 100 * c + 4) for c, name in enumerate("abcd")}, COLOURS)
        for first, role in roles
    }


def answered(engine: FeatureEngine, asked: TransferAsked, datasets: dict[Role, ToyImages]) -> Outcome:
    given: dict[Role, ImageDataset] = {**datasets}
    return PLUGIN.ask(CARD, given, TaskOptions(transfer=asked)).answer(engine)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_model(tmp_path_factory.mktemp("configs"))


def refusing(model: Any, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model, whose transform now refuses one picture."""
    refused, own = PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes(), model.preprocess

    def preprocess(image: PIL.Image.Image) -> Any:
        if image.tobytes() == refused:
            raise ValueError("it is too small")
        return own(image)

    monkeypatch.setattr(model, "preprocess", preprocess, raising=False)
    return model


def require_without(outcome: Outcome, engine: FeatureEngine, sample: str) -> None:
    """One sample of 16 is left out and named, and zero-shot has the others too."""
    assert [bad.id for bad in engine.tally.bad] == [sample]
    assert outcome.predictions.num_rows == 15 and sample not in outcome.predictions["sample"].to_pylist()
    start, labels = (np.array(outcome.predictions[column].to_pylist()) for column in ("zero_shot", "label"))
    assert outcome.transfer is not None and outcome.transfer.zero_shot["acc1"] == pytest.approx(
        (start == labels).mean()
    )


def test_an_image_that_the_other_model_refuses_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, datasets = EngineSettings(batch_size=3, skip_bad=True), data()
    test = datasets["test"]
    others = lambda name: FeatureEngine(refusing(toy(), test.files[5], monkeypatch), settings)  # noqa: E731
    engine = FeatureEngine(toy(), settings, others=others)
    asked = TransferAsked("svl-adapter", 2, 0, "no-validation", {"other": "second", "epochs": 2})
    outcome = answered(engine, asked, datasets)
    require_without(outcome, engine, test.samples[5].id)
    assert outcome.transfer is not None
    cost = outcome.transfer.cost
    assert (cost.image_passes, cost.test_image_passes) == (2 * 8, 2), "both models see each image"


@pytest.mark.parametrize("setting", ["all-classes", "base-to-new"])
def test_an_image_with_one_bad_view_is_left_out(setting: Setting, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = data()
    test = datasets["test"]
    read = ViewDataset.read

    def failing(self: ViewDataset, index: int) -> bytes:
        if (named := self.samples[index].id) == f"{test.samples[5].id}, view 2":
            raise BadSampleError(named, "it is too small")
        return read(self, index)

    monkeypatch.setattr(ViewDataset, "read", failing)
    engine = FeatureEngine(tiny, EngineSettings(batch_size=4, skip_bad=True))
    asked = TransferAsked("tpt", 0, 0, "no-validation", {"views": 3}, setting=setting)
    require_without(answered(engine, asked, datasets), engine, test.samples[5].id)
    (bad,) = engine.tally.bad
    assert "view 2" in bad.reason and "it is too small" in bad.reason
    assert bad.content == sample_digest([sha256(test.files[5]).digest()]).hex()


@pytest.mark.parametrize("method, shots, options, reads", [
    ("vpt", 1, {"epochs": 1, "views": 1}, 1),
    ("tpt", 0, {"views": 3}, 3),
    ("clip-adapter", 1, {"epochs": 1}, 0),
])  # fmt: skip
def test_halves_cost_no_further_reading(
    method: str, shots: int, options: dict[str, Any], reads: int, tiny: Any, counted: Callable[..., Counter[int]]
) -> None:
    datasets = data()
    times = counted(datasets["test"])
    engine = FeatureEngine(tiny, EngineSettings(batch_size=3))
    answered(engine, TransferAsked(method, shots, 0, "no-validation", options, setting="base-to-new"), datasets)
    before = 1 if shots else 0  # support images are compared with test images
    assert {each - before for each in times.values()} == {reads + 1}, "one more is that of zero-shot"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Counter[int]]:
    def counting(dataset: ToyImages) -> Counter[int]:
        times, files = Counter[int](), list(dataset.files)

        def read(self: ToyImages, index: int) -> bytes:
            if self is dataset:
                times[index] += 1
                return files[index]
            return self.files[index]

        monkeypatch.setattr(ToyImages, "read", read)
        return times

    return counting


def test_the_start_has_the_texts_of_the_method(tiny: Any) -> None:
    """Tip-Adapter finds the classes by their names among those of the source, whose templates are others."""
    templates = ["{} c", "a {} b"]
    source = TaskCard(name="source", sources=SPEC, train=SPEC, templates=templates)
    asked = TransferAsked("tip-adapter", 2, 0, "no-validation", {"alpha": 0}, source=source)
    outcome = answered(FeatureEngine(tiny, EngineSettings()), asked, data())
    found = outcome.predictions
    assert [top[0] for top in found["top"].to_pylist()] == found["zero_shot"].to_pylist()
    assert outcome.transfer is not None
    assert outcome.transfer.zero_shot["acc1"] == outcome.metrics["acc1"].value
    assert outcome.transfer.cost.text_passes == 8
    anew = TransferAsked("clip-adapter", 2, 0, "no-validation", {"epochs": 1}, source=source)
    other = answered(FeatureEngine(tiny, EngineSettings()), anew, data())
    assert other.transfer is not None and other.transfer.cost.text_passes == 8 + 4
    assert other.predictions["zero_shot"].to_pylist() != found["zero_shot"].to_pylist()
