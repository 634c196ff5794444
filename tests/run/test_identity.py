"""Ids never move: a record or failure of an earlier version is found again by the same question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vlmbench.cards import ModelCard, Role, SourceSpec, TaskCard
from vlmbench.catalogue import find_models, find_tasks
from vlmbench.models.base import Model, ModelIdentity
from vlmbench.run.identity import plan_id, run_id, task_version
from vlmbench.tasks import task_plugin
from vlmbench.tasks.base import Question, TaskOptions
from vlmbench.transfer.asked import TransferAsked

IDENTITY = ModelIdentity(
    weights_sha256="0" * 64,
    parameters=3,
    architecture="toy",
    preprocess="4x4 grid",
    tokenizer="letters",
    libraries={"torch": "2.0"},
)
MODEL = SimpleNamespace(
    card=ModelCard(name="toy:a", adapter="toy", spec="a", options={"flaw": "none"}), identity=IDENTITY, capabilities={}
)
CARD = TaskCard(name="folder", sources=[SourceSpec(kind="imagefolder", location="x")], metrics=["acc1", "ece"])


@dataclass(frozen=True)
class Asked:
    """A question with the parts that an id is made of."""

    card: TaskCard = CARD
    prompts_sha256: str = "1" * 64

    def protocol(self, model: Model) -> dict[str, Any]:
        return {"templates": ["a photo of a {}."], "multi_label": False, "metrics": ["acc1", "ece"]}


@pytest.fixture(autouse=True)
def source_of_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's adapter counts with its code, which for this test must not be this file."""
    monkeypatch.setattr("vlmbench.run.identity.source_sha256", lambda kind: "source")


def identifier(options: TaskOptions, precision: str = "fp32", fingerprint: str = "2" * 64) -> str:
    return run_id(
        cast(Model, MODEL),
        cast(Question, Asked()),
        version=task_version(CARD, task_plugin(CARD.plugin)),
        precision=precision,
        fingerprint=fingerprint,
        options=options,
    )


@pytest.mark.parametrize(
    ("options", "precision", "expected"),
    [
        (TaskOptions(), "fp32", "502b0576ec8395e8"),
        (TaskOptions(visuals=5, limit=10), "fp32", "502b0576ec8395e8"),
        (TaskOptions(seed=1), "fp32", "19e0c2376e252334"),
        (TaskOptions(), "bf16", "03b6d2d100782591"),
    ],
)
def test_run_ids_are_those_of_the_first_version(options: TaskOptions, precision: str, expected: str) -> None:
    assert identifier(options, precision) == expected


OWN = TaskOptions(
    limit=20, stratified=True, seed=3, class_names=("a", "b"), templates=("{}!",), protocol={"readout": "sclip"}
)


@pytest.mark.parametrize(
    ("model", "task", "options", "expected"),
    [
        (
            "clip-vit-b-32-openai",
            "cifar10",
            TaskOptions(transfer=TransferAsked("coop", 2, 1, "cut-validation", {"lr": 0.1})),
            "2bffcac5b01b7d40",
        ),
        # cifar10, imagenet1k and voc2007-objects have named train data since. Only failures are known by plan ids.
        ("clip-vit-b-32-openai", "cifar10", TaskOptions(), "3d818b2862b41873"),
        ("clip-vit-b-32-openai", "cifar10", TaskOptions(visuals=12), "3d818b2862b41873"),
        ("clip-vit-b-32-openai", "cifar10", OWN, "a6a21c373ef38a8a"),
        ("clip-vit-b-32-openai", "imagenet1k", TaskOptions(), "9bd724e21b1d02a4"),
        ("clip-vit-b-32-openai", "flickr8k", TaskOptions(limit=10), "dc2368bc6dbc8ef8"),
        # The card's hub source has lost its revision, which had no source, too.
        ("conse-efficientnet-lite2", "voc2007-objects", TaskOptions(), "045fd7e0cae38a98"),
        ("open_clip:ViT-B-32/openai", "imagefolder:x", TaskOptions(), "b303260083c17416"),
    ],
)
def test_plan_ids_are_those_of_the_first_version(model: str, task: str, options: TaskOptions, expected: str) -> None:
    (model_card,), (task_card,) = find_models(model), find_tasks(task)
    assert plan_id(model_card, task_card, options, "fp32") == expected


def test_whatever_is_asked_otherwise_has_another_plan_id() -> None:
    (model,), (task,) = find_models("clip-vit-b-32-openai"), find_tasks("cifar10")
    asked = [TaskOptions(), *(replace(TaskOptions(), **{name: getattr(OWN, name)}) for name in ("limit", "seed"))]
    found = {plan_id(model, task, options, precision) for options in asked for precision in ("fp32", "bf16")}
    changed = (task.model_copy(update={"version": 2}), task.model_copy(update={"notes": "other"}))
    found |= {plan_id(model, card, TaskOptions(), "fp32") for card in changed}
    assert len(found) == 8


def test_later_fields_count_only_where_they_are_used() -> None:
    """At their defaults they leave no trace, as the ids above show."""
    (model,), (task,) = find_models("clip-vit-b-32-openai"), find_tasks("cifar10")
    place = SourceSpec(kind="imagefolder", location="x")
    asked = [
        (task, TaskOptions()),
        (task, TaskOptions(transfer=TransferAsked("another"))),
        (task, TaskOptions(transfer=TransferAsked("another", setting="base-to-new"))),
        (task, TaskOptions(transfer=TransferAsked("another", source=task))),
        (task.model_copy(update={"train": [place]}), TaskOptions()),
        (task.model_copy(update={"val": [place]}), TaskOptions()),
    ]
    assert len({plan_id(model, card, options, "fp32") for card, options in asked}) == len(asked)


def test_data_of_other_roles_is_part_of_a_run_id() -> None:
    def with_others(**others: str) -> str:
        return run_id(
            cast(Model, MODEL),
            cast(Question, Asked()),
            version="1.1",
            precision="fp32",
            fingerprint="2" * 64,
            options=TaskOptions(),
            other_fingerprints=cast(dict[Role, str], others),
        )

    assert (
        len({with_others(), with_others(train="3" * 64), with_others(train="4" * 64), with_others(val="3" * 64)}) == 4
    )
