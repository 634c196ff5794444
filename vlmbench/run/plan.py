"""Turns a request into a plan: finds and checks every model and task before any work starts.

``vlmbench run``, ``demo``, ``fetch`` and ``show`` and :func:`vlmbench.evaluate` use it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

from vlmbench.card_files import GIVEN_ANSWERS
from vlmbench.cards import ModelCard, TaskCard
from vlmbench.data.contents import ContentHashes
from vlmbench.data.memory.given import GivenTask
from vlmbench.data.open import checked_source
from vlmbench.errors import CardError, UsageError
from vlmbench.features.cache.files import index_folder
from vlmbench.features.precision import check_precision, resolve_device
from vlmbench.models import ADAPTERS
from vlmbench.models.memory.given import GivenModel
from vlmbench.registry import did_you_mean
from vlmbench.remarks.base import Remark
from vlmbench.run.executors import DEFAULT_EXECUTOR, find_executor
from vlmbench.run.executors.base import InThisProcess
from vlmbench.run.job import RunSettings
from vlmbench.run.names import (
    ModelAsked,
    TaskAsked,
    adapted,
    ask_tasks,
    given_objects,
    learning_from,
    other_card,
    resolve_models,
    source_card,
)
from vlmbench.run.opened import OpenedData, OpenedTask, open_task
from vlmbench.run.shards import Shard, check_shard, job_order, part_of
from vlmbench.storage.base import Location
from vlmbench.tasks import task_plugin
from vlmbench.tasks.base import TaskOptions, TaskPlugin
from vlmbench.tasks.learnt_classes import check_learnt_classes
from vlmbench.tasks.transfer_checks import check_transfer, check_transfer_precision
from vlmbench.transfer import METHODS
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import other_models


@dataclass(frozen=True)
class RunRequest:
    """The user's request. The command line and :func:`vlmbench.evaluate` both make one.

    Attributes:
        models: card names, patterns, YAML files or ``ADAPTER:SPEC``; cards; objects.
        tasks: card or suite names, patterns, YAML files or ``KIND:PATH``; cards; datasets in memory.
        results: the folder of records, a path or a URL; None: records are only returned.
        options: limit, seed, class names and templates.
        force: run pairs even if their record exists.
        suites: names or YAML files of suites, not of tasks.
        executor: the executor of the pairs: ``NAME`` or ``NAME:ARGUMENT``.
        pictures_in_background: draw a pair's pictures while the next pair runs. The whole run is shorter, but the times
            and memory in its records cannot be compared.
        transfers: each task is asked once for each of them; empty: once, as ``options.transfer`` says.
        save_answers: the folder in which the models' answers are kept, in the form that ``predictions:`` reads, if
            there are several models in a folder for each; None: nowhere. Then no earlier record counts as an answer.
        learn_from: the task whose train data ``transfers`` learn from, by name or card; None: each task's own.
        shard: (i, N) is the part i of N of the plan, counted from 1, see :mod:`vlmbench.run.shards`; None: all of it.

    The other attributes are those of :class:`~vlmbench.run.job.RunSettings`.
    """

    models: tuple[ModelAsked, ...]
    tasks: tuple[TaskAsked, ...]
    results: Location | None
    data_root: Location | None = None
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
    suites: tuple[str, ...] = ()
    executor: str = DEFAULT_EXECUTOR
    plugins: tuple[Path, ...] = ()
    strict: bool = False
    pictures_in_background: bool = False
    transfers: tuple[TransferAsked, ...] = ()
    learn_from: str | TaskCard | None = None
    measure_memory: bool = True
    save_answers: Path | None = None
    shard: tuple[int, int] | None = None

    @property
    def settings(self) -> RunSettings:
        """The settings that each job gets."""
        return RunSettings(**{spec.name: getattr(self, spec.name) for spec in fields(RunSettings)})

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("workers", self.workers)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"{name} must be a whole number above 0, or None, not {value!r}")
        if self.results is None and self.options.visuals:
            raise UsageError("pictures need a results folder, but this run has none", hint="Name one: results=DIR.")
        if self.shard is not None:
            check_shard(self.shard)


@dataclass(frozen=True)
class Plan:
    """The models and the tasks of a run, in the order in which the user named them. Every model answers every task.

    The pair with the number n is that of the model n // T and the task n % T, if there are T tasks.

    Attributes:
        objects: the models that the user gave as Python objects, by the name of their card.
        shard: the part of the plan that is run; None: every pair. Only the models and tasks of this part are there.
    """

    models: tuple[ModelCard, ...]
    tasks: tuple[OpenedTask, ...]
    objects: Mapping[str, GivenModel] = field(default_factory=dict)
    shard: Shard | None = None

    @cached_property
    def pairs(self) -> tuple[int, ...]:
        """The numbers of the pairs that are run, models first, see :func:`~vlmbench.run.shards.job_order`."""
        if self.shard is not None:
            return self.shard.pairs
        return job_order(len(self.models), [task.options.transfer for task in self.tasks])

    def pair(self, number: int) -> tuple[ModelCard, OpenedTask]:
        """The model and the task of a pair."""
        return self.models[number // len(self.tasks)], self.tasks[number % len(self.tasks)]

    @property
    def several_models(self) -> bool:
        """Whether the whole plan has several models, also if this part has one."""
        return (len(self.models) if self.shard is None else self.shard.of_models) > 1

    @property
    def remarks(self) -> Sequence[tuple[str, Remark]]:
        """The remarks on the tasks, each with the name of its task. Questions of one task share most of them."""
        return list(dict.fromkeys((task.card.name, remark) for task in self.tasks for remark in task.remarks))


def import_adapters(models: Sequence[ModelAsked]) -> None:
    """Import the adapters of these models with the packages that they need. Nothing is written.

    Raises:
        UsageError, UnknownNameError, CardError, PluginError: as :func:`make_plan`.
    """
    for model in resolve_models(models):
        ADAPTERS.get(model.adapter)


def make_plan(request: RunRequest) -> Plan:
    """Resolve names, check cards and open every dataset. No model is loaded.

    A dataset that cannot be opened becomes the ``problem`` of its task: its pairs fail with that reason, and others
    continue. The same holds for a broken card that a suite or a pattern names.

    Raises:
        UsageError, UnknownNameError, CardError, PluginError: the request itself is wrong.
    """
    check_precision(request.precision)
    resolve_device(request.device)
    executor = find_executor(request.executor)
    models = resolve_models(request.models)
    objects = given_objects(request.models, GivenModel)
    datasets = {name: task.dataset for name, task in given_objects(request.tasks, GivenTask).items()}
    if (objects or datasets) and not isinstance(executor, InThisProcess):
        raise UsageError(
            f"models and datasets in memory cannot be sent to the processes of the executor {request.executor!r}",
            hint="Use the executor 'local'; or save them, and name their files.",
        )
    transfers = request.transfers
    if request.save_answers is not None and any(asked.adapts for asked in (*transfers, request.options.transfer)):
        raise UsageError(
            "answers of adapted models cannot be saved, because a task has one file for all methods and draws",
            hint="Leave out --save-answers or --transfer.",
        )
    if request.learn_from is not None:
        transfers = learning_from(transfers, source_card(request.learn_from))
    asked = adapted(ask_tasks(request.tasks, request.suites, request.options), transfers)
    if not models or not asked:
        raise UsageError(
            "nothing to run", hint="Name a model (--model, -m) and a task (--task, -t) or suite (--suite)."
        )
    for model in models:
        if model.name not in objects:
            ADAPTERS.get(model.adapter)
    plugins = {task.card.name: task_plugin(task.card.plugin) for task in asked}
    for task in asked:
        if task.broken is None:
            check_task(task.card, plugins[task.card.name], task.options)
            check_transfer_precision(task.options.transfer, request.precision)
            own = task.options.transfer.options
            for name in other_models(METHODS.get(task.options.transfer.method), own):
                ADAPTERS.get(other_card(name, objects, own).adapter)
    _check_options(request.options, plugins.values())
    check_data_root(request.data_root)
    images_optional = any(model.adapter == GIVEN_ANSWERS for model in models)
    shard = None
    if request.shard is not None:
        models, asked, shard = part_of(models, asked, *request.shard)
    shared: dict[Hashable, OpenedData] = {}
    contents = ContentHashes(index_folder(request.use_cache and not request.force))
    return Plan(
        models,
        tuple(
            open_task(
                task.card,
                plugins[task.card.name],
                task.options,
                request.data_root,
                offline=request.offline,
                objects=datasets,
                shared=shared,
                contents=contents,
                images_optional=images_optional,
            )
            if task.broken is None
            else OpenedTask(task.card, plugins[task.card.name], task.options, None, task.broken)
            for task in asked
        ),
        objects,
        shard,
    )


def check_task(card: TaskCard, plugin: TaskPlugin, options: TaskOptions) -> None:
    """Refuse a card that can never work, before any data is touched.

    Raises:
        UnknownNameError: a source of any role has an unknown kind.
        UsageError: a source does not understand an option or field of its entry.
        CardError, UsageError: its plugin refuses it, or its kind does not have a protocol field of the card.
    """
    check_transfer(card, plugin, options)
    check_learnt_classes(card, options.transfer)
    learnt_from = options.transfer.source
    for each in (card, *([learnt_from] if learnt_from else [])):
        for sources in each.sources_by_role.values():
            for spec in sources:
                checked_source(spec)
    plugin.check(card, options)
    if unknown := sorted(set(card.protocol) - plugin.protocol_fields):
        raise CardError(f"task {card.name!r}: a {card.plugin} task has no protocol field {unknown[0]!r}")


def _check_options(options: TaskOptions, plugins: Collection[TaskPlugin]) -> None:
    """Refuse options of the user that no task can use."""
    prompts_given = options.class_names is not None or options.templates is not None
    if prompts_given and not any(plugin.class_prompts for plugin in plugins):
        raise UsageError(
            "none of these tasks has class names or templates that could be replaced",
            hint="To put words around captions, use --set template='a photo of {}'.",
        )
    settable = frozenset(name for plugin in plugins for name in plugin.protocol_fields)
    for name in options.protocol:
        if name not in settable:
            raise UsageError(f"none of these tasks has {name!r} to set", hint=_settable(name, settable))


def _settable(name: str, known: frozenset[str]) -> str:
    """A hint with the names that ``--set`` takes, the most similar first."""
    if not known:
        return "Their kinds of task have nothing to set."
    near = did_you_mean(name, known)
    every = f"These can be set: {', '.join(sorted(known))}. See `vlmbench tasks show TASK` for their values."
    return f"{near} {every}" if near.startswith("Did") else every


def check_data_root(data_root: Location | None) -> None:
    """Refuse a ``--data-root`` that does not exist. Whether a URL exists is seen when data is looked for.

    Raises:
        UsageError: it is not a folder.
    """
    if isinstance(data_root, Path) and not data_root.is_dir():
        raise UsageError(f"--data-root {str(data_root)!r} is not a folder")
