"""From names to a plan: every model and task resolved and checked before any work starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from vlmbench.cards import ModelCard, SuiteSample, TaskCard
from vlmbench.catalogue import find_suite, find_tasks, runnable_models
from vlmbench.data import SOURCES
from vlmbench.data.base import SourceContext
from vlmbench.errors import CardError, UsageError, VlmbenchError, gathered_warnings, unexpected
from vlmbench.features.precision import check_precision, resolve_device
from vlmbench.models import ADAPTERS
from vlmbench.registry import did_you_mean
from vlmbench.tasks import task_plugin
from vlmbench.tasks.base import Question, TaskOptions, TaskPlugin, check_transfer


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for, in one place: the command line and :func:`vlmbench.evaluate` both make one.

    Attributes:
        models: card names, patterns, YAML files or ``ADAPTER:SPEC``.
        tasks: card or suite names, patterns, YAML files or ``KIND:PATH``.
        results: where records go.
        data_root: where datasets are looked up.
        device: a torch device, or "auto".
        precision: "fp32", "bf16" or "fp16".
        batch_size: images a forward pass; None chooses by device.
        options: limit, seed, class names and templates.
        offline: ask no hub.
        force: run pairs whose record exists.
        skip_bad: leave out undecodable samples.
        use_cache: keep and reuse features on disk.
        workers: decoding threads; None: one a core.
        trust_remote_code: let hub repositories run their own code.
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    results: Path
    data_root: Path | None = None
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int | None = None
    options: TaskOptions = field(default_factory=TaskOptions)
    offline: bool = False
    force: bool = False
    skip_bad: bool = False
    use_cache: bool = True
    workers: int | None = None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("workers", self.workers)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"{name} must be a whole number above 0, or None, not {value!r}")


@dataclass(frozen=True)
class PlannedTask:
    """One task of a plan: its question, or why there is none.

    Attributes:
        card: the task card.
        plugin: its plugin.
        options: the request's, with the sample of the suite that named the task.
        question: None where the data cannot be opened.
        problem: why not.
        warnings: what was said while its data was opened; its records say it too.
    """

    card: TaskCard
    plugin: TaskPlugin
    options: TaskOptions
    question: Question | None
    problem: VlmbenchError | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Every model against every task, in the order they were named."""

    models: tuple[ModelCard, ...]
    tasks: tuple[PlannedTask, ...]


def make_plan(request: RunRequest) -> Plan:
    """Resolve names, check cards and open every dataset. No model is loaded.

    A dataset that cannot be opened becomes its task's ``problem``: its pairs fail with that reason while others go on.

    Raises:
        UsageError, UnknownNameError, CardError, PluginError: the request itself is wrong.
    """
    check_precision(request.precision)
    resolve_device(request.device)
    models, asked = unique_models(request.models), asked_tasks(request.tasks, request.options)
    if not models or not asked:
        raise UsageError(
            "nothing to run", hint="Name a model (--model, -m) and a task (--task, -t) or suite (--suite)."
        )
    cards = [card for card, _ in asked]
    for model in models:
        ADAPTERS.get(model.adapter)
    plugins = {card.name: task_plugin(card.plugin) for card in cards}
    for card in cards:
        for spec in card.sources:
            SOURCES.get(spec.kind)
        check_transfer(card, plugins[card.name], request.options)
        plugins[card.name].check(card, request.options)
        if unknown := sorted(set(card.protocol) - plugins[card.name].protocol_fields):
            raise CardError(f"task {card.name!r}: a {card.plugin} task has no protocol {unknown[0]!r}")
    prompts_given = request.options.class_names is not None or request.options.templates is not None
    if prompts_given and not any(plugin.class_prompts for plugin in plugins.values()):
        raise UsageError(
            "none of these tasks has class names or templates of its own to replace",
            hint="What goes around a caption is set with --set template='a photo of {}'.",
        )
    settable = frozenset(name for plugin in plugins.values() for name in plugin.protocol_fields)
    for name in request.options.protocol:
        if name not in settable:
            raise UsageError(f"none of these tasks has {name!r} to set", hint=did_you_mean(name, settable) or None)
    check_data_root(request.data_root)
    return Plan(models, tuple(_plan_task(card, plugins[card.name], options, request) for card, options in asked))


def _plan_task(card: TaskCard, plugin: TaskPlugin, options: TaskOptions, request: RunRequest) -> PlannedTask:
    from vlmbench.data.open import open_dataset

    context = source_context(card, plugin, request.data_root, offline=request.offline)
    said: list[str] = []
    try:
        with gathered_warnings(said):
            question = plugin.ask(card, open_dataset(card.sources, context), options)
    except VlmbenchError as error:
        return PlannedTask(card, plugin, options, None, error, tuple(said))
    except Exception as error:  # a source's own bug: its task's failure, not the run's
        return PlannedTask(card, plugin, options, None, unexpected(error), tuple(said))
    return PlannedTask(card, plugin, options, question, warnings=tuple(said))


def check_data_root(data_root: Path | None) -> None:
    """Refuse a ``--data-root`` that is not there.

    Raises:
        UsageError: it is no folder.
    """
    if data_root is not None and not data_root.is_dir():
        raise UsageError(f"--data-root {str(data_root)!r} is no folder")


def source_context(
    card: TaskCard, plugin: TaskPlugin, data_root: Path | None, *, offline: bool = False
) -> SourceContext:
    """What a task's sources are opened with: its class names, and what its plugin asks of the data."""
    return SourceContext(
        data_root=data_root,
        offline=offline,
        class_names=tuple(card.classes) if card.classes else None,
        target=plugin.target(card),
    )


def unique_models(names: Iterable[str]) -> tuple[ModelCard, ...]:
    """The model cards that some ``-m`` arguments stand for, each once.

    Raises:
        UsageError: two different ones have one name, or one cannot be run.
    """
    return _unique((card for name in names for card in runnable_models(name)), "model")


def unique_tasks(names: Iterable[str]) -> tuple[TaskCard, ...]:
    """The task cards that some ``-t`` arguments stand for, each once.

    Raises:
        UsageError: two different ones have one name.
    """
    return _unique((card for name in names for card in find_tasks(name)), "task")


def asked_tasks(names: Iterable[str], options: TaskOptions) -> list[tuple[TaskCard, TaskOptions]]:
    """The task cards that some ``-t`` arguments stand for, each once, and what is asked of each.

    A suite's sample says how much of its tasks is scored, unless the options do; how that is drawn, either may say.

    Raises:
        UsageError: two different ones have one name, or one is asked on two different subsets.
    """
    asked: dict[str, TaskOptions] = {}
    names = list(names)
    for name in names:
        suite = find_suite(name)
        own = _sampled(options, suite.sample) if suite and suite.sample else options
        for card in find_tasks(name):
            if asked.setdefault(card.name, own) != own:
                raise UsageError(
                    f"task {card.name!r} is asked on two different subsets, once by {name!r}",
                    hint="Name it once, or set the subset for all with --limit N --stratified.",
                )
    return [(card, asked[card.name]) for card in unique_tasks(names)]


def _sampled(options: TaskOptions, sample: SuiteSample) -> TaskOptions:
    limit = sample.size if options.limit is None else options.limit
    return replace(options, limit=limit, stratified=options.stratified or sample.by == "class")


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _unique(cards: Iterable[CardT], kind: str) -> tuple[CardT, ...]:
    """Cards named twice count once; two different cards of one name would write over each other's records."""
    by_name: dict[str, CardT] = {}
    for card in cards:
        if by_name.setdefault(card.name, card) != card:
            raise UsageError(f"two different {kind}s are named {card.name!r}", hint="Rename one of them.")
    return tuple(by_name.values())
