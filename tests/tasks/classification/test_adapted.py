"""Adapted classification: test labels play no part in learning, and drawing tells of each draw's own images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from small_pictures import pictures
from toy_adapter import FlawedToy, toy

from vlmbench.cards import ModelCard, Role, SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.classification.adapted import AdaptedQuestion
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import Track, TransferAsked
from vlmbench.transfer.base import StatesOptions, learns_from

SPEC = [SourceSpec(kind="imagefolder", location="memory")]
CARD = TaskCard(name="t", sources=SPEC, train=SPEC, val=SPEC)
COLOURS = ((150, 110, 110), (110, 150, 110), (110, 110, 150))
"""Near enough that classes overlap, so that settings matter."""
DATA: dict[Role, ToyImages] = {
    role: pictures({name: range(start + 100 * c, start + 100 * c + 12) for c, name in enumerate("abc")}, COLOURS)
    for start, role in enumerate(("test", "train", "val"))
    for start in (1000 * start,)  # no image is in two roles
}
LABELLED = [
    name
    for name in METHODS
    if learns_from(METHODS.get(name)) == "labels" and not METHODS.get(name).needs and name != "zero-shot"
]
"""The toy encodes images and texts, and has no other capability."""


def permuted(data: ToyImages) -> ToyImages:
    """The same images, with the labels of a random other order."""
    labels = [sample.target for sample in data.samples]
    random.Random(5).shuffle(labels)
    return replace(data, samples=[replace(s, target=label) for s, label in zip(data.samples, labels, strict=True)])


def quick(name: str) -> dict[str, Any]:
    """Options with which a method takes few steps and compares few settings."""
    method = METHODS.get(name)
    fields = method.options.model_fields if isinstance(method, StatesOptions) else {}
    asked = {"epochs": 6, "steps": 200, "batch_size": 8, "weight_decay": 0.0, "other": "another"}
    return {option: value for option, value in asked.items() if option in fields}


def answer(data: dict[Role, ToyImages], asked: TransferAsked) -> Outcome:
    datasets: dict[Role, ImageDataset] = {**data}
    question = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=asked))
    assert isinstance(question, AdaptedQuestion)
    return question.answer(engine_of(1))


def engine_of(seed: int) -> FeatureEngine:
    """A toy's engine; a name of another model means a toy with the name's length as its seed."""
    model = FlawedToy(ModelCard(name="toy", adapter="toy"), seed=seed)
    return FeatureEngine(model, EngineSettings(batch_size=16), others=lambda name: engine_of(len(name)))


def fitted(outcome: Outcome) -> tuple[Any, ...]:
    """What was chosen, and what the classifier says of each test image, whatever its label."""
    assert outcome.transfer is not None
    table = outcome.predictions
    said = [table[name].to_pylist() for name in ("sample", "top", "top_scores", "confidence", "zero_shot")]
    return dict(outcome.transfer.chosen), outcome.transfer.step, said


@pytest.mark.parametrize(
    "name, track",
    [
        *((name, "few-shot-validation") for name in LABELLED),
        *product(("tip-adapter", "zs-lp"), ("no-validation", "cut-validation", "full-validation")),
    ],
)
def test_test_labels_change_nothing_that_is_learnt(name: str, track: Track) -> None:
    asked = TransferAsked(name, 4, 0, track, quick(name))
    assert fitted(answer(DATA, asked)) == fitted(answer({**DATA, "test": permuted(DATA["test"])}, asked))


def chosen_of(data: dict[Role, ToyImages], track: Track, draws: Sequence[int]) -> list[dict[str, Any]]:
    found = [answer(data, TransferAsked("tip-adapter", 4, draw, track)).transfer for draw in draws]
    return [dict(info.chosen) for info in found if info is not None]


def test_in_the_leaky_track_test_labels_choose() -> None:
    other = {**DATA, "test": permuted(DATA["test"])}
    assert chosen_of(DATA, "leaky", range(3)) != chosen_of(other, "leaky", range(3))


def test_each_draw_tells_of_its_own_images_though_draws_are_learnt_together() -> None:
    """One train image of class a is a test image too; only some draws of two come upon it."""
    names = DATA["train"].samples
    own = next(index for index, sample in enumerate(names) if sample.target == 0)
    files = [DATA["test"].files[0] if index == own else file for index, file in enumerate(DATA["train"].files)]
    data: dict[Role, ToyImages] = {**DATA, "train": replace(DATA["train"], files=files)}
    engine, told = FeatureEngine(toy(), EngineSettings(batch_size=16)), []
    draws = tuple(range(8))
    for draw in draws:
        pool = sorted(sample.id for sample in names if sample.target == 0)
        asked = TransferAsked("nearest-mean", 2, draw, together=draws)
        datasets: dict[Role, ImageDataset] = {**data}
        question = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=asked))
        with gathered_remarks(WARNING) as said:
            question.answer(FeatureEngine(engine.model, engine.settings, memory=engine.memory))
        came_upon = names[own].id in random.Random(draw).sample(pool, 2)
        told.append(came_upon)
        assert [remark.count for remark in said.remarks if remark.code == "support-overlap"] == [1] * came_upon
    assert 0 < sum(told) < len(draws)


def test_scoring_some_test_images_changes_no_support_set() -> None:
    """The train data has a test image, and the subset of ``--limit`` does not."""
    with_two = replace(DATA["train"], files=[*DATA["test"].files[:2], *DATA["train"].files[2:]])
    datasets: dict[Role, ImageDataset] = {**DATA, "train": with_two}
    asked, drawn = TransferAsked("nearest-mean", 8, 0), []
    for limit in (None, 3):
        question = PLUGIN.ask(CARD, datasets, TaskOptions(transfer=asked, limit=limit))
        assert isinstance(question, AdaptedQuestion) and question.support.train is not None
        drawn.append(list(question.support.train.indices))
    assert drawn[0] == drawn[1] and not {0, 1} & {*drawn[0]}


def test_a_test_image_that_cannot_be_read_is_left_out_as_in_zero_shot() -> None:
    data: dict[Role, ImageDataset] = {**DATA, "test": replace(DATA["test"], files=[None, *DATA["test"].files[1:]])}
    question = PLUGIN.ask(CARD, data, TaskOptions(transfer=TransferAsked("nearest-mean", 2, 0)))
    assert isinstance(question, AdaptedQuestion)
    engine = FeatureEngine(toy(), EngineSettings(batch_size=16, skip_bad=True))
    outcome = question.answer(engine)
    assert len(outcome.contents) == len(DATA["test"].samples) - 1
    assert [bad.id for bad in engine.tally.bad] == [DATA["test"].samples[0].id]
