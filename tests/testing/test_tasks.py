"""check_task: every kind keeps all promises, and for each promise there is a kind that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vlmbench.answers.columns import numbers
from vlmbench.answers.frame_rows import SAMPLE, FrameRows
from vlmbench.answers.measured import Measured, Pairing
from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.errors import DataError, UsageError
from vlmbench.kinds import KINDS, TaskKind
from vlmbench.metrics.base import Estimate
from vlmbench.models.base import Model, lacks_encoders
from vlmbench.records import MetricValue, Record
from vlmbench.tasks.base import Outcome, TaskOptions, check_known_metrics, metric_value
from vlmbench.tasks.subset import choose
from vlmbench.testing import ConformanceError, check_task, toy_dataset

CALLS = count()


@pytest.mark.parametrize("kind", ["classification", "retrieval", "segmentation", "detection"])
def test_every_kind_keeps_every_promise(kind: str) -> None:
    samples = {"segmentation": 9, "detection": 9}.get(kind, 60)
    target: Any = {"retrieval": "captions", "segmentation": "mask", "detection": "boxes"}.get(kind, "class")
    found = check_task(kind, dataset=toy_dataset(target, samples=samples))
    assert len(found.kept) >= 27 and not found.skipped


def test_several_labels_an_image_keep_every_promise() -> None:
    sources = [SourceSpec(kind="toy", location="memory")]
    card = TaskCard(
        name="toy",
        sources=sources,
        multi_label=True,
        metrics=["mean_average_precision"],
        main_metric="mean_average_precision",
    )
    assert not check_task(card, dataset=toy_dataset("classes", samples=56)).skipped


def test_rare_actions_needs_data_of_its_own() -> None:
    sources = [SourceSpec(kind="toy", location="memory")]
    card = TaskCard(name="toy", plugin="rare_actions", sources=sources, metrics=["mwap"], main_metric="mwap")
    with pytest.raises(DataError, match="no toy dataset whose target is 'annotated class'"):
        check_task(card)


@dataclass(frozen=True)
class Question:
    """Which class? With the flaws that the tests ask for."""

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    template: str
    flaw: str

    @property
    def prompts_sha256(self) -> str:
        from hashlib import sha256

        if self.flaw == "short hash":
            return "abc"
        return sha256(f"{self.template}{next(CALLS) if self.flaw == 'fickle prompts' else ''}".encode()).hexdigest()

    def protocol(self, model: Model) -> Mapping[str, Any]:
        found: dict[str, Any] = {"metrics": list(self.card.metrics), "main_metric": self.card.main_metric}
        return {**found, "classes": tuple("ab")} if self.flaw == "tuple" else found

    def unsupported(self, model: Model) -> str | None:
        return None if self.flaw == "any model" else lacks_encoders(model)

    def answer(self, engine: Any) -> Outcome:
        names = self.dataset.classes or ()
        head = engine.texts([self.template.format(name) for name in names])
        said: dict[int, int] = {}
        contents: dict[int, str] = {}
        for batch in engine.images(self.dataset, self.indices):
            said |= dict(zip(batch.indices, (batch.features @ head.T).argmax(dim=1).tolist(), strict=True))
            contents |= dict(zip(batch.indices, batch.contents, strict=True))
        order: list[int] = sorted(said)
        wanted = np.array([self.dataset.samples[index].target for index in order])
        right = wanted == np.array([said[index] for index in order])
        value, chance = float(right.mean()), 1 / len(names)
        if self.flaw == "by order":
            value = float(np.average(right, weights=np.arange(len(right)) + 1.0))
        if self.flaw == "percent":
            value *= 100
        if self.flaw == "wrong truth":
            value = 1 - value
        if self.flaw == "other chance":
            chance = 0.6
        if self.flaw == "random":
            value = max(0.0, value - next(CALLS) / 1000)
        metrics: dict[str, MetricValue] = {
            "right": metric_value(Estimate(value=value, low=None, high=None, n=len(right)), chance=chance)
        }
        if self.flaw == "no main metric":
            metrics = {"other": metrics["right"]}
        rows = order[::-1] if self.flaw == "turned" else order
        table = pa.table(
            {
                "sample": [self.dataset.samples[index].id for index in rows],
                "content": [contents[index] for index in rows],
                "truth": pa.array([self.dataset.samples[index].target for index in rows], pa.int32()),
                "said": pa.array([said[index] for index in rows], pa.int32()),
            }
        )
        if self.flaw == "no truth":
            table = table.rename_columns(["sample", "content", "label", "said"])
        if self.flaw == "contents":
            contents = dict.fromkeys(contents, "0" * 64)
        if self.flaw == "fewer":
            contents.popitem()
        return Outcome(metrics, [], table, {index: contents[index] for index in order if index in contents})


@dataclass
class Plugin:
    flaw: str = ""
    version: int = 1
    class_prompts: bool = True
    protocol_fields: frozenset[str] = frozenset()

    def target(self, card: TaskCard) -> Any:
        return "class"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        if self.flaw == "refuses all":
            raise KeyError("no")
        if self.flaw != "any metric":
            check_known_metrics(card.metrics, ("right", "other"), where="toy")

    def ask(self, card: TaskCard, datasets: Mapping[Any, ImageDataset], options: TaskOptions) -> Question:
        dataset = datasets["test"]
        indices = choose(dataset.samples, options if self.flaw != "no limit" else TaskOptions())
        if self.flaw == "twice":
            indices = [*indices, indices[0]]
        if self.flaw == "fickle":
            indices = [*indices[next(CALLS) % 5 :]]
        template = (options.templates or ("a {}",))[0] if self.flaw != "deaf" else "a {}"
        return Question(card, dataset, indices, template, self.flaw)


def measured(record: Record, table: pa.Table, metric: str) -> Measured | None:
    if metric != "right":
        return None
    right = numbers(table, "truth") == numbers(table, "said")
    return Measured(len(right), lambda weights: weights @ right / len(right), right, right=right)


def wrong(record: Record, table: pa.Table, metric: str) -> Measured | None:
    found = measured(record, table, metric)
    return found and replace(found, statistic=lambda weights: np.full(len(weights), 0.123))


def kind_of(flaw: str = "", plugin: Plugin | None = None, pairing: Any = None, **fields: Any) -> TaskKind:
    pairing = pairing or Pairing(wrong if flaw == "pairing" else measured, ("truth", "said"), ("said",))
    whole = {"metrics": ("right",), "truth": ("truth",), **fields}
    return TaskKind("toy-kind", "Toy", plugin or Plugin(flaw), paired=pairing, **whole)


FLAWS: dict[str, tuple[TaskKind, str]] = {
    "version": (kind_of(plugin=Plugin(version=0)), "Its plugin can be loaded"),
    "protocol_fields": (kind_of(plugin=Plugin(protocol_fields={"a"})), "Its plugin can be loaded"),  # type: ignore[arg-type]
    "no title": (replace(kind_of(), title=""), "Its title is a text"),
    "metrics twice": (kind_of(metrics=("right", "right")), "Its title is a text"),
    "a view": (
        kind_of(frames=(FrameRows("sample", "one row a sample", (SAMPLE,), lambda table, names: table["no column"]),)),
        "The record and its predictions",
    ),
    "no pairing": (kind_of(pairing="vlmbench.kinds:KINDS"), "It has a Pairing"),
    **{
        flaw: (kind_of(flaw), promise)
        for flaw, promise in {
            "refuses all": "check accepts a card",
            "any metric": "check refuses a metric",
            "twice": "ask gives a question",
            "short hash": "ask gives a question",
            "fickle": "The same card, data and options",
            "fickle prompts": "The same card, data and options",
            "no limit": "options.limit is the number of samples",
            "tuple": "protocol gives plain values",
            "deaf": "Other templates",
            "any model": "unsupported gives the reason why",
            "no main metric": "Metrics are finite and in range",
            "percent": "Metrics are finite and in range",
            "contents": "contents has the content hash",
            "fewer": "contents has the content hash",
            "turned": "predictions has a row for each sample",
            "no truth": "predictions has a row for each sample",
            "pairing": "The record and its predictions can be read",
            "random": "The same question has the same answer",
            "by order": "The order of the samples changes no metric",
            "wrong truth": "A model that answers everything correctly",
            "other chance": "A model that knows nothing",
        }.items()
    },
}


def test_the_toy_kind_keeps_every_promise_and_is_not_registered_afterwards() -> None:
    assert len(check_task(kind_of()).kept) == 28
    assert "toy-kind" not in KINDS


def test_a_kind_with_the_name_of_another_is_not_mistaken_for_it() -> None:
    with pytest.raises(UsageError, match="'retrieval' is registered already, and it is not the one that was given"):
        check_task(replace(kind_of(), name="retrieval"))


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_broken_kind_is_caught(flaw: str) -> None:
    kind, promise = FLAWS[flaw]
    with pytest.raises(ConformanceError) as caught:
        check_task(kind, dataset=toy_dataset("class", samples=60))
    assert any(each.promise.startswith(promise) for each in caught.value.broken), str(caught.value)


def test_a_model_that_cannot_be_asked_is_skipped() -> None:
    class Nothing:
        capabilities: Mapping[str, object] = {}

    check: Callable[..., Any] = check_task
    found = check(kind_of(), random=Nothing())
    assert "A random model answers" in dict(found.skipped)
