"""The Python API behind ``import vlmbench``: what the command line does, and models and datasets in memory besides."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.catalogue import find_tasks, runnable_models
from vlmbench.data.memory.given import GivenTask, as_task
from vlmbench.errors import UsageError, VlmbenchError
from vlmbench.features.precision import resolve_device
from vlmbench.gate.compare import compare
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.memory.given import GivenModel, as_model
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.paths import RESULTS, user_path
from vlmbench.records import Record
from vlmbench.registry import did_you_mean, load_plugin_file
from vlmbench.run.asked import AnyModel, AnyTask, asked_models, asked_tasks
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer import ZERO_SHOT
from vlmbench.wording import counted

__all__ = ["EvaluationError", "as_model", "as_task", "compare", "evaluate", "load_model", "load_task"]


class Unset(Enum):
    """An argument that was left out, where None means something."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = Unset.UNSET


class EvaluationError(VlmbenchError):
    """A pair of :func:`evaluate` that failed; the other pairs were carried out.

    Attributes:
        records: those of the other pairs, models first.
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
    transfer: str = ZERO_SHOT,
    plugins: Iterable[str | Path] = (),
    **settings: Any,
) -> list[Record]:
    """Evaluate every model on every task; a record that is on disk already is not computed again.

    It can be called in the middle of training. The process is the same afterwards, even if the evaluation fails or is
    interrupted: the mode of each submodule, buffers, gradients, random states, torch's settings. Objects stay on their
    device, and are used in this process alone.

    Args:
        models: what ``vlmbench run -m`` takes; a ``ModelCard``; what :func:`as_model` makes of a module; an object with
            the protocol :class:`~vlmbench.models.base.Model`; or a list of those.
        tasks: what ``vlmbench run -t`` takes; a ``TaskCard``; what :func:`as_task` makes of a dataset; a dataset of
            torch or a ``datasets.Dataset`` that states its class names; a list of (image, label) pairs; or a list of
            those.
        results: the folder where records go; None: they are returned, and nothing is written. If it is left out:
            ``results/runs`` for names and cards, None as soon as one model or dataset is an object.
        data_root: where datasets are looked up.
        limit: score a seeded random subset of this size.
        stratified: that subset has every class in its proportion, if each sample has one class.
        seed: of that subset and of the bootstrap.
        class_names: used instead of the card's.
        templates: used instead of the card's.
        protocol: fields of the cards' protocols to replace, such as ``{"readout": "sclip"}``.
        visuals: draw the answers to this many samples of each task, beside the record.
        transfer: how models are adapted before they answer.
        plugins: Python files that register adapters, sources or tasks.
        settings: any other field of :class:`~vlmbench.run.plan.RunRequest` (device, precision, force, skip_bad, …).

    Returns:
        One record for each pair of a model and a task, models first.

    Raises:
        EvaluationError: a pair failed; it has the records of the others.
        VlmbenchError: the request is wrong.
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
            results=_path("results", results),
            data_root=_path("data_root", data_root),
            options=TaskOptions(
                limit=_plain(limit),
                stratified=stratified,
                seed=_plain(seed),
                class_names=_texts("class_names", class_names),
                templates=_texts("templates", templates),
                protocol=_mapping("protocol", protocol),
                visuals=_plain(visuals),
                transfer=transfer,
            ),
            plugins=plugin_files,
            **{"measure_memory": not in_memory, **_settings(settings)},
        )
        outcomes = execute(make_plan(request), request, NotesAsWarnings())
    return _records(outcomes)


def load_model(name: str, *, device: str = "auto", offline: bool = False, trust_remote_code: bool = False) -> Model:
    """One model by its card's name, YAML file or ``ADAPTER:SPEC``, ready to encode."""
    card = _one(runnable_models(name), name)
    options = LoadOptions(device=resolve_device(device), offline=offline, trust_remote_code=trust_remote_code)
    return ADAPTERS.get(card.adapter)(card, options)


def load_task(name: str) -> TaskCard:
    """One task card by its name, YAML file or ``KIND:PATH``."""
    return _one(find_tasks(name), name)


_SETTINGS = {spec.name for spec in fields(RunRequest)} - {
    "models",
    "tasks",
    "results",
    "data_root",
    "options",
    "plugins",
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
    return user_path(Path(path))


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
        raise UsageError(f"evaluate: {name} is a list of texts, and {texts!r} is one text")
    return None if texts is None else tuple(texts)


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _one(cards: list[CardT], name: str) -> CardT:
    if len(cards) != 1:
        raise UsageError(f"{name!r} stands for {counted(len(cards), 'card')}; name one of them")
    return cards[0]


def _records(outcomes: Sequence[PairResult]) -> list[Record]:
    """The records of a run.

    Raises:
        EvaluationError: the first pair that has none.
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
