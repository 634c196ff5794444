"""The Python API: the functions of ``import vlmbench`` that evaluate and load, also for models and datasets in memory.

``vlmbench/__init__.py`` imports this module when one of its functions is used.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.catalogue import find_tasks, runnable_models
from vlmbench.data.location import user_data_root
from vlmbench.data.memory.given import GivenTask, as_task
from vlmbench.errors import UsageError, VlmbenchError
from vlmbench.features.precision import resolve_device
from vlmbench.gate.compare import compare
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.memory.given import GivenModel, as_model, told_of
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.paths import RESULTS, user_path
from vlmbench.records import Record
from vlmbench.registry import did_you_mean, load_plugin_file
from vlmbench.run.asked import AnyModel, AnyTask, asked_models, asked_tasks
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.storage.base import Location
from vlmbench.storage.locations import local_path, results_location
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer import ZERO_SHOT
from vlmbench.transfer.asked import Setting, Track
from vlmbench.transfer.every import MOST_DRAWS, every_transfer
from vlmbench.wording import counted

__all__ = ["EvaluationError", "as_model", "as_task", "compare", "evaluate", "load_model", "load_task"]


class Unset(Enum):
    """The value of an argument that was left out. None cannot be used for it, because None has a meaning of its own."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = Unset.UNSET


class EvaluationError(VlmbenchError):
    """A pair of a model and a task failed in :func:`evaluate`. The other pairs were still evaluated.

    Attributes:
        records: the records of the other pairs, sorted by model, then by task.
    """

    def __init__(self, message: str, *, hint: str | None, records: Sequence[Record]) -> None:
        super().__init__(message, hint=hint)
        self.records = tuple(records)


def evaluate(
    models: AnyModel | Iterable[AnyModel],
    tasks: AnyTask | Iterable[AnyTask],
    *,
    results: str | Path | Literal[Unset.UNSET] | None = UNSET,
    data_root: str | Path | None = None,
    limit: int | None = None,
    stratified: bool = False,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
    protocol: Mapping[str, Any] | None = None,
    visuals: int = 0,
    transfer: str | Iterable[str] = ZERO_SHOT,
    shots: int | Iterable[int] = 0,
    draws: int | Iterable[int] = 0,
    track: Track = "no-validation",
    method_options: Mapping[str, Any] | None = None,
    setting: Setting = "all-classes",
    learn_from: str | TaskCard | None = None,
    save_answers: str | Path | None = None,
    plugins: Iterable[str | Path] = (),
    **settings: Any,
) -> list[Record]:
    """Evaluate every model on every task. If the results folder already has a pair's record, it is not computed again.

    You can call it in the middle of training. Afterwards the process is as before, even if the evaluation fails or is
    interrupted: the mode of each submodule, buffers, gradients, random states, and torch's settings. Objects in memory
    stay on their device, and no other process uses them.

    Args:
        models: a name that ``vlmbench run -m`` takes; a ``ModelCard``; a model that :func:`as_model` made; an object
            with the protocol :class:`~vlmbench.models.base.Model`; or a list of these.
        tasks: a name that ``vlmbench run -t`` takes; a ``TaskCard``; a task that :func:`as_task` made; a dataset of
            torch or a ``datasets.Dataset`` that states its class names; a list of (image, label) pairs; or a list of
            these.
        results: the folder where records are written, or its URL, such as ``"s3://bucket/runs"``. None: records are
            returned, and nothing is written. If it is left out, it is ``results/runs`` for names and cards, and None if
            any model or dataset is an object in memory.
        data_root: the folder in which datasets are looked up, or its URL.
        limit: score a random subset of this size, drawn with ``seed``.
        stratified: keep the proportions of the classes in this subset. It applies if each sample has one class.
        seed: the seed of this subset and of the bootstrap.
        class_names: class names to use instead of the card's.
        templates: templates to use instead of the card's.
        protocol: fields of the cards' protocols to replace, such as ``{"readout": "sclip"}``.
        visuals: the number of samples of each task whose answers are drawn. The pictures are put beside the record.
        transfer: the methods that adapt models before they answer; one record for each method, K and draw.
        shots: K, the images of each class that a method learns from; one or several.
        draws: the seeds of support sets; one or several. ``range(5)`` is five draws.
        track: which images choose the methods' settings, see :data:`vlmbench.transfer.asked.Track`.
        method_options: settings of the methods; each goes to the methods that have it.
        setting: which classes the methods learn, see :data:`vlmbench.transfer.asked.Setting`.
        learn_from: another task, whose train data and classes the methods learn; None: each task's own.
        save_answers: a folder in which every answer is kept, in the form that the model ``predictions:DIR`` reads.
        plugins: Python files that register adapters, sources or tasks.
        settings: any other field of :class:`~vlmbench.run.plan.RunRequest` (device, precision, force, skip_bad, …).

    Returns:
        One record for each pair of a model and a task, sorted by model, then by task.

    Raises:
        EvaluationError: a pair failed. The error has the records of the other pairs.
        VlmbenchError: an argument is wrong.
    """
    plugin_files = tuple(user_path(plugin).absolute() for plugin in _paths("plugins", plugins))
    for path in plugin_files:
        load_plugin_file(path)
    models_asked = asked_models(models)
    given = [each for each in models_asked if isinstance(each, GivenModel)]
    with undisturbed(module for model in given for module in model.modules):
        tasks_asked = asked_tasks(tasks)  # it may read a dataset of the caller, which may draw random numbers
        in_memory = bool(given) or any(isinstance(task, GivenTask) for task in tasks_asked)
        if results is UNSET:
            results = None if in_memory else RESULTS
        request = RunRequest(
            models=models_asked,
            tasks=tasks_asked,
            results=_location("results", results),
            data_root=user_data_root(data_root if isinstance(data_root, str) else _path("data_root", data_root)),
            options=TaskOptions(
                limit=_plain(limit),
                stratified=stratified,
                seed=_plain(seed),
                class_names=_texts("class_names", class_names),
                templates=_texts("templates", templates),
                protocol=_mapping("protocol", protocol),
                visuals=_plain(visuals),
            ),
            transfers=every_transfer(
                _several(transfer),
                _several(shots),
                _several(draws),
                track=track,
                options=_mapping("method_options", method_options),
                setting=setting,
            ),
            learn_from=learn_from,
            save_answers=_path("save_answers", save_answers),
            plugins=plugin_files,
            **{"measure_memory": not in_memory, **_settings(settings)},
        )
        told = {model.card.name: told_of(model) for model in given}
        outcomes = execute(make_plan(request), request, NotesAsWarnings(told))
    return _records(outcomes)


def load_model(name: str, *, device: str = "auto", offline: bool = False, trust_remote_code: bool = False) -> Model:
    """Load one model by the name of its card, by its YAML file or by ``ADAPTER:SPEC``. It is ready to encode."""
    card = _one(runnable_models(name), name)
    options = LoadOptions(device=resolve_device(device), offline=offline, trust_remote_code=trust_remote_code)
    return ADAPTERS.get(card.adapter)(card, options)


def load_task(name: str) -> TaskCard:
    """Find one task card by its name, by its YAML file or by ``KIND:PATH``."""
    return _one(find_tasks(name), name)


V = TypeVar("V", str, int)


def _several(value: V | Iterable[V]) -> tuple[V, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    return tuple(_plain(each) for each in islice(value, MOST_DRAWS + 1))  # a longer list is refused all the same


_SETTINGS = {spec.name for spec in fields(RunRequest)} - {
    "models",
    "tasks",
    "results",
    "data_root",
    "options",
    "plugins",
    "transfers",
    "learn_from",
    "save_answers",
}
"""The arguments of :func:`evaluate` that are fields of a request."""


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    for name in given:
        if name not in _SETTINGS:
            known = {*_SETTINGS, *inspect.signature(evaluate).parameters} - {"settings"}
            raise UsageError(f"evaluate has no argument {name!r}", hint=did_you_mean(name, known) or None)
    values = {name: _plain(value) for name, value in given.items()}
    if "device" in values:
        values["device"] = str(values["device"])
    return values


def _plain(value: Any) -> Any:
    """A number of NumPy as Python's own, which a record can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _path(name: str, path: Any) -> Path | None:
    if path is None:
        return None
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"evaluate: {name} is a path, and {path!r} is a {type(path).__name__}")
    return local_path(path, f"evaluate: {name}")


def _location(name: str, location: Any) -> Location | None:
    """A folder, or the URL of one."""
    return results_location(location) if isinstance(location, str | os.PathLike) else _path(name, location)


def _paths(name: str, paths: Any) -> Iterable[str | Path]:
    """Several paths, or one."""
    several: Iterable[Any] = [paths] if isinstance(paths, str | os.PathLike) else paths
    found = [_path(name, path) for path in several]
    return [path for path in found if path is not None]


def _mapping(name: str, values: Any) -> dict[str, Any]:
    if values is not None and not isinstance(values, Mapping):
        raise UsageError(
            f"evaluate: {name} is a mapping of names to values, and {values!r} is a {type(values).__name__}"
        )
    return dict(values or {})


def _texts(name: str, texts: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(texts, str):
        raise UsageError(f"evaluate: {name} must be a list of texts, but {texts!r} is one text")
    return None if texts is None else tuple(texts)


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _one(cards: list[CardT], name: str) -> CardT:
    if len(cards) != 1:
        raise UsageError(f"{name!r} means {counted(len(cards), 'card')}; name one card")
    return cards[0]


def _records(outcomes: Sequence[PairResult]) -> list[Record]:
    """The records of a run.

    Raises:
        EvaluationError: a pair has no record. The error is about the first such pair.
    """
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    for outcome in outcomes:
        if outcome.record is None:
            failure = outcome.failure
            message = failure.message if failure else "no record"
            raise EvaluationError(
                f"{outcome.model} on {outcome.task}: {message}", hint=failure.hint if failure else None, records=records
            )
    return records
