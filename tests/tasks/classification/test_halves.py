"""Base-to-new: half of the classes is learnt, and both halves are scored among their own and among all classes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_pictures import pictures
from toy_adapter import toy

from vlmbench.answers.columns import numbers
from vlmbench.cards import Role, SourceSpec, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import DataError, LabelError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.metrics.harmonic import harmonic_mean
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.classification.adapted import AdaptedQuestion
from vlmbench.tasks.classification.halves import Halves
from vlmbench.tasks.classification.paired import decisions, measured
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing.toy_data import ToyImages
from vlmbench.testing.toy_records import make_record
from vlmbench.transfer.asked import Track, TransferAsked
from vlmbench.transfer.encoded import encoded
from vlmbench.transfer.methods.features.clip_adapter import METHOD as CLIP_ADAPTER
from vlmbench.transfer.methods.features.clip_adapter import AdapterClassifier
from vlmbench.transfer.support import Pools, draw_support

SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC, val=SPEC)
NAMES, BASE = ("red", "green", "blue", "gold", "navy"), 3
COLOURS = ((170, 110, 110), (110, 170, 110), (110, 110, 170), (170, 160, 90), (90, 90, 140))
DATA: dict[Role, ToyImages] = {
    role: pictures({name: range(start + 100 * c, start + 100 * c + 9) for c, name in enumerate(NAMES)}, COLOURS)
    for start, role in ((0, "test"), (1000, "train"), (2000, "val"))
}
OPTIONS = {"epochs": 20, "batch_size": 4, "lr": 0.05, "ratio": 0.6}


def asked(track: Track = "no-validation", **options: Any) -> TransferAsked:
    return TransferAsked("clip-adapter", 4, 1, track, {**OPTIONS, **options}, setting="base-to-new")


def question(data: dict[Role, ToyImages] = DATA, of: TransferAsked | None = None, **options: Any) -> AdaptedQuestion:
    datasets: dict[Role, ImageDataset] = {**data}
    made = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=of or asked(), **options))
    assert isinstance(made, AdaptedQuestion)
    return made


def engine() -> FeatureEngine:
    return FeatureEngine(toy(), EngineSettings(batch_size=16))


def answered(data: dict[Role, ToyImages] = DATA, of: TransferAsked | None = None) -> Outcome:
    return question(data, of).answer(engine())


@pytest.mark.parametrize("classes, base", [(4, 2), (5, 3), (6, 3), (7, 4), (1000, 500), (101, 51)])
def test_an_odd_class_is_a_base_class(classes: int, base: int) -> None:
    assert Halves.of(classes, task="t") == Halves(base, classes)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_half_of_one_class_is_refused(classes: int) -> None:
    with pytest.raises(LabelError, match=f"task 't' has {classes} class"):
        Halves.of(classes, task="t")


def test_a_subset_without_new_classes_is_refused() -> None:
    test = DATA["test"]
    base = [i for i, sample in enumerate(test.samples) if isinstance(sample.target, int) and sample.target < BASE]
    only = replace(test, samples=[test.samples[i] for i in base], files=[test.files[i] for i in base])
    with pytest.raises(DataError, match="none of the 27 scored samples shows a new class"):
        question({**DATA, "test": only})


def test_only_base_classes_are_learnt_from() -> None:
    support = question(of=asked("few-shot-validation")).support
    for chosen in (support.train, support.val):
        assert chosen is not None
        labels = {chosen.dataset.samples[index].target for index in chosen.indices}
        assert labels == {0, 1, 2} and len(chosen.indices) == 12


def literal(outcome: Outcome) -> dict[str, Any]:
    """The same numbers by another way: the method is fitted to data that has base classes only, then in NumPy."""
    own, prompts = engine(), question().prompts
    base_prompts = replace(prompts, class_names=NAMES[:BASE])
    train = DATA["train"]
    kept = [i for i, sample in enumerate(train.samples) if sample.target in range(BASE)]
    cut = replace(train, samples=[train.samples[i] for i in kept], files=[train.files[i] for i in kept])
    drawn = draw_support(TransferAsked("clip-adapter", 4, 1), Pools.of(cut, BASE), None, NAMES, task="t")
    learnt = CLIP_ADAPTER.fit(own, drawn, base_prompts, OPTIONS)
    assert isinstance(learnt, AdapterClassifier)
    test = DATA["test"]
    images = encoded(own, Chosen(test, range(len(test.samples)))).features.double()
    texts = own.texts(prompts.prompts).double()
    hidden = torch.relu(torch.relu(images @ learnt.down.double().T) @ learnt.up.double().T)
    moved = F.normalize(0.6 * hidden + 0.4 * images, dim=-1)
    labels = np.array([sample.target for sample in test.samples])
    is_new = labels >= BASE

    def numbers_of(features: torch.Tensor) -> dict[str, Any]:
        logits = (features @ texts.T).numpy()
        closed = np.where(is_new, BASE + logits[:, BASE:].argmax(1), logits[:, :BASE].argmax(1))
        base, new = ((closed == labels)[half].mean() for half in (~is_new, is_new))
        return {
            "base_acc1": base,
            "new_acc1": new,
            "h_acc1": 2 * base * new / (base + new),
            "acc1": (logits.argmax(1) == labels).mean(),
            "closed": closed.tolist(),
        }

    return {"learnt": numbers_of(moved), "zero-shot": numbers_of(images)}


def test_both_halves_and_the_union_by_another_way() -> None:
    outcome = answered()
    expected = literal(outcome)
    values = {name: metric.value for name, metric in outcome.metrics.items()}
    learnt, start = expected["learnt"], expected["zero-shot"]
    for name in ("h_acc1", "base_acc1", "new_acc1", "acc1"):
        assert values[name] == pytest.approx(learnt[name]), name
        assert outcome.transfer is not None and outcome.transfer.zero_shot[name] == pytest.approx(start[name]), name
    assert learnt["closed"] != start["closed"], "the method changes some answer"
    assert outcome.predictions["closed"].to_pylist() == learnt["closed"]
    assert outcome.predictions["zero_shot_closed"].to_pylist() == start["closed"]
    assert outcome.main_metric == "h_acc1" and [row.name for row in outcome.per_class] == list(NAMES)
    assert (outcome.metrics["base_acc1"].n, outcome.metrics["new_acc1"].n, outcome.metrics["h_acc1"].n) == (27, 18, 45)
    chances = {name: outcome.metrics[name].chance for name in ("base_acc1", "new_acc1", "h_acc1", "acc1")}
    assert chances == pytest.approx({"base_acc1": 1 / 3, "new_acc1": 0.5, "h_acc1": 0.4, "acc1": 0.2})
    assert all(outcome.metrics[name].ci95 is not None for name in values if name != "ece")


def test_comparisons_compute_the_same_numbers_from_the_table() -> None:
    outcome, made = answered(), question()
    record = make_record()
    record = record.model_copy(update={"task": record.task.model_copy(update={"protocol": dict(made.protocol(toy()))})})
    for name in ("h_acc1", "base_acc1", "new_acc1", "acc1"):
        found = measured(record, outcome.predictions, name)
        assert found is not None and found.value == pytest.approx(outcome.metrics[name].value), name
    assert measured(make_record(), outcome.predictions, "h_acc1") is None, "all classes have no halves"
    closed = numbers(outcome.predictions, "closed")
    assert any(np.array_equal(each, closed) for each in decisions(outcome.predictions))


def test_the_protocol_names_the_halves() -> None:
    protocol = question().protocol(toy())
    assert protocol["base_classes"] == BASE and protocol["main_metric"] == "h_acc1" and protocol["classes"] == 5
    assert protocol["metrics"][:4] == ["h_acc1", "base_acc1", "new_acc1", "acc1"]
    everything = question(of=TransferAsked("clip-adapter", 4, 1, "no-validation", OPTIONS)).protocol(toy())
    assert "base_classes" not in everything and everything["main_metric"] == "acc1"


def test_a_card_without_accuracy_has_the_union_too() -> None:
    card = CARD.model_copy(update={"metrics": ["mean_per_class_recall"], "main_metric": "mean_per_class_recall"})
    datasets: dict[Role, ImageDataset] = {**DATA}
    outcome = PLUGIN.ask(card, datasets, TaskOptions(transfer=asked())).answer(engine())
    assert list(outcome.metrics) == ["h_acc1", "base_acc1", "new_acc1", "acc1", "mean_per_class_recall"]


@pytest.mark.parametrize("track", ["no-validation", "few-shot-validation", "cut-validation", "full-validation"])
def test_test_labels_change_nothing_that_is_learnt(track: Track) -> None:
    """Other labels put images into the other half, but no answer among all classes changes."""
    test, labels = DATA["test"], [sample.target for sample in DATA["test"].samples]
    random.Random(3).shuffle(labels)
    samples = [replace(sample, target=label) for sample, label in zip(test.samples, labels, strict=True)]
    first, other = answered(of=asked(track)), answered({**DATA, "test": replace(test, samples=samples)}, asked(track))
    for name in ("top", "top_scores", "confidence", "zero_shot"):
        assert first.predictions[name] == other.predictions[name], name
    assert first.predictions["label"] != other.predictions["label"]
    assert first.transfer is not None and other.transfer is not None
    assert (first.transfer.chosen, first.transfer.step) == (other.transfer.chosen, other.transfer.step)


def test_in_the_leaky_track_base_test_images_choose() -> None:
    made = question(of=TransferAsked("clip-adapter", 4, 1, "leaky", {"epochs": 2}, setting="base-to-new"))
    val = made._for_choices(made.support).val
    assert val is not None and {val.dataset.samples[index].target for index in val.indices} == {0, 1, 2}


def test_the_last_step_has_both_halves_too() -> None:
    """A high learning rate makes the last step worse than an earlier one."""
    outcome = answered(of=asked("full-validation", lr=20.0, epochs=30))
    assert outcome.transfer is not None and outcome.transfer.step is not None
    last = outcome.transfer.last_step
    assert last is not None and last.keys() == outcome.metrics.keys()
    base, new = last["base_acc1"], last["new_acc1"]
    assert base is not None and new is not None and last["h_acc1"] == pytest.approx(harmonic_mean(base, new))
