"""Checks a kind of task against :mod:`vlmbench.kinds` and :mod:`vlmbench.tasks.base`.

Authors of kinds of task call :func:`check_task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from vlmbench.answers.measured import Pairing
from vlmbench.cards import ModelCard, Role, SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset, TargetKind
from vlmbench.errors import CardError, DataError, UsageError
from vlmbench.kinds import KINDS, TaskKind
from vlmbench.models.base import Model
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.tasks.base import TaskOptions, TaskPlugin, needed_roles
from vlmbench.testing.checks.asked import ask
from vlmbench.testing.checks.noise import NoiseModel
from vlmbench.testing.checks.outcomes import check_chance, check_outcome, check_perfect, check_same_again
from vlmbench.testing.checks.questions import check_question
from vlmbench.testing.conformance import Conformance, Inspection
from vlmbench.testing.one_entry import registered, require_entry
from vlmbench.testing.toy_colours import ColourModel
from vlmbench.testing.toy_data import toy_dataset

_SAMPLES, _PICTURES = 96, 24
"""The number of toy samples; the second one is for boxes and masks, which take longer."""


def check_task(
    task: str | TaskKind | TaskCard,
    *,
    dataset: ImageDataset | None = None,
    perfect: Model | None = None,
    random: Model | None = None,
) -> Conformance:
    """Check everything that a kind of task promises. Two models answer its questions: a perfect one and a random one.

    Args:
        task: the name of a kind, a kind, or a card of a kind. If the kind names no metrics, give a card.
        dataset: the data for every role; None: :func:`~vlmbench.testing.toy_dataset` with the plugin's target.
        perfect: a model that answers all of this data correctly; None: a toy model that knows colours.
        random: a model that knows nothing; None: a toy model whose features are noise.

    Raises:
        ConformanceError: promises are broken; it lists all of them.
        DataError: no data was given, and there is no toy data with this target.
        UsageError: another kind has the name of the kind that was given.
    """
    if isinstance(task, TaskKind):
        require_entry(KINDS, task.name, task, "the kind of task")
    if isinstance(task, TaskKind) and task.name not in KINDS:
        with registered(KINDS, task.name, task):
            return check_task(task, dataset=dataset, perfect=perfect, random=random)
    name = task.plugin if isinstance(task, TaskCard) else task if isinstance(task, str) else task.name
    kind, inspection = KINDS.get(name), Inspection(f"the kind of task {name!r}")
    plugin = _check_kind(inspection, kind)
    if plugin is None:
        return inspection.conclude()
    source = SourceSpec(kind="toy", location="memory")
    card = (
        task
        if isinstance(task, TaskCard)
        else TaskCard.model_validate({"name": "toy", "plugin": name, "sources": [source]})
    )
    target = plugin.target(card)
    data = (
        dataset
        if dataset is not None
        else toy_dataset(target, samples=_PICTURES if target in ("boxes", "mask") else _SAMPLES)
    )
    options = TaskOptions()
    with gathered_remarks(WARNING):
        datasets = dict.fromkeys(needed_roles(plugin, card, options), data)
        _check_plugin(inspection, plugin, card, options)
        knows = perfect if perfect is not None else cast(Model, ColourModel())
        chance = random if random is not None else cast(Model, NoiseModel(ModelCard(name="noise", adapter="toy")))
        _check_answers(inspection, kind, plugin, card, datasets, knows, chance)
    return inspection.conclude()


def _check_answers(
    inspection: Inspection,
    kind: TaskKind,
    plugin: TaskPlugin,
    card: TaskCard,
    datasets: Mapping[Role, ImageDataset],
    perfect: Model,
    random: Model,
) -> None:
    options, before = TaskOptions(), len(inspection.broken)
    check_question(inspection, plugin, card, datasets, perfect)
    if len(inspection.broken) > before:
        return
    question = plugin.ask(card, datasets, options)
    answers = []
    for model, what in ((perfect, "perfect"), (random, "random")):
        reason = question.unsupported(model)
        if reason is not None:
            inspection.skip(f"A {what} model answers", reason)
            continue
        with inspection.promise(
            f"It measures a {what} model", fix="answer() must work with every model that is supported."
        ):
            answers.append((what, ask(plugin, card, datasets, options, model)))
    for what, asked in answers:
        check_outcome(inspection, kind, asked, what)
        check_same_again(inspection, asked, datasets, what)
    for what, asked in answers:
        (check_perfect if what == "perfect" else check_chance)(inspection, asked)


def _check_kind(inspection: Inspection, kind: TaskKind) -> TaskPlugin | None:
    """The kind's plugin; None if it cannot be used."""
    loaded: list[TaskPlugin] = []
    with inspection.promise(
        "Its plugin can be loaded, and has version, class_prompts, protocol_fields, target, check and ask",
        fix="Let TaskKind.plugin name an object with all parts of vlmbench.tasks.base.TaskPlugin.",
    ):
        plugin = cast(TaskPlugin, kind.load_plugin())
        inspection.require(isinstance(plugin.version, int) and plugin.version > 0, f"version is {plugin.version!r}")
        inspection.require(isinstance(plugin.class_prompts, bool), f"class_prompts is {plugin.class_prompts!r}")
        fields = plugin.protocol_fields
        inspection.require(isinstance(fields, frozenset), f"protocol_fields is {fields!r}, not a frozenset")
        for name in ("target", "check", "ask"):
            inspection.require(callable(getattr(plugin, name, None)), f"{name} is not a method")
        loaded.append(plugin)
    with inspection.promise(
        "Its title is a text, and metrics, truth and sources are tuples of texts", fix="Write them so."
    ):
        inspection.require(isinstance(kind.title, str) and kind.title.strip(), f"title is {kind.title!r}")
        for name in ("metrics", "truth", "sources"):
            value = getattr(kind, name)
            inspection.require(
                isinstance(value, tuple) and all(isinstance(each, str) and each for each in value),
                f"{name} is {value!r}",
            )
        inspection.require(len(set(kind.metrics)) == len(kind.metrics), f"metrics has a name twice: {kind.metrics}")
    promise = "It has a Pairing, so that two runs can be compared sample by sample"
    if kind.paired is None:
        inspection.skip(promise, "the kind states no Pairing")
    else:
        with inspection.promise(promise, fix="Let TaskKind.paired name a vlmbench.answers.measured.Pairing."):
            pairing = kind.load_paired()
            inspection.require(isinstance(pairing, Pairing), f"it is a {type(pairing).__name__}")
    return loaded[0] if loaded else None


def _check_plugin(inspection: Inspection, plugin: TaskPlugin, card: TaskCard, options: TaskOptions) -> None:
    with inspection.promise(
        "target names the kind of target that each sample must have",
        fix=f"Return one of {', '.join(map(repr, get_args(TargetKind)))}.",
    ):
        target = plugin.target(card)
        inspection.require(target in get_args(TargetKind), f"it is {target!r}")
    with inspection.promise("check accepts a card that can be used", fix="Refuse only cards that can never work."):
        plugin.check(card, options)
    with (
        inspection.promise(
            "check refuses a metric that does not exist, before any data is read",
            fix="Call vlmbench.tasks.base.check_known_metrics in check().",
        ),
        inspection.require_error(
            (CardError, UsageError, DataError), "a card with the metric 'no-such-metric' is accepted"
        ),
    ):
        wrong = {"metrics": [*card.metrics, "no-such-metric"]}
        plugin.check(card.model_copy(update=wrong), options)
