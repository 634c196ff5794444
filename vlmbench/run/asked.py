"""Turns the arguments ``models`` and ``tasks`` of :func:`vlmbench.evaluate` into the form that a run takes.

Each argument is one thing or several, and a thing is a name, a card or an object. :mod:`vlmbench.api` calls it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from torch import nn

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.data.memory.given import GivenTask, as_task
from vlmbench.errors import UsageError
from vlmbench.models.base import Model
from vlmbench.models.memory.given import GivenModel, as_model
from vlmbench.models.memory.objects import has_protocol
from vlmbench.run.names import ModelAsked, TaskAsked


class Numbered(Protocol):
    """A dataset in memory whose items are read by their number, such as a ``torch.utils.data.Dataset``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


AnyModel = ModelAsked | Model
"""A model: its name, its card, or an object."""
AnyTask = TaskAsked | Numbered
"""A task: its name, its card, or a dataset that states its class names."""


def asked_models(models: AnyModel | Iterable[AnyModel]) -> tuple[ModelAsked, ...]:
    """The models of a call of :func:`vlmbench.evaluate`, in the form that a run takes.

    Raises:
        UsageError: an argument is not a model, or is a module without a transform and a tokenizer.
    """
    return tuple(_model(model) for model in _models(models))


def asked_tasks(tasks: AnyTask | Iterable[AnyTask]) -> tuple[TaskAsked, ...]:
    """The tasks of a call of :func:`vlmbench.evaluate`, in the form that a run takes.

    Raises:
        UsageError, DataError, LabelError: an argument is not a task; see :func:`~vlmbench.data.memory.given.as_task`.
    """
    return tuple(_task(task) for task in _tasks(tasks))


def _models(models: Any) -> Iterable[Any]:
    if isinstance(models, str | os.PathLike | ModelCard | GivenModel | nn.Module) or has_protocol(models):
        return (models,)
    if not isinstance(models, Iterable) or isinstance(models, Mapping):
        return (models,)  # it is not a model; the error will name its type
    return tuple(models)


def _model(model: Any) -> ModelAsked:
    if isinstance(model, str | ModelCard | GivenModel):
        return model
    if isinstance(model, os.PathLike):
        return str(os.fspath(model))
    if isinstance(model, nn.Module) and not has_protocol(model):
        raise UsageError(
            f"a module ({type(model).__name__}) needs a transform and a tokenizer",
            hint="Give all three together: vlmbench.as_model(module, transform, tokenizer).",
        )
    return as_model(model)


def _task(task: Any) -> TaskAsked:
    if isinstance(task, str | TaskCard | GivenTask):
        return task
    if isinstance(task, os.PathLike):
        return str(os.fspath(task))
    if not hasattr(task, "__len__") and not hasattr(task, "__iter__") and not hasattr(task, "__getitem__"):
        raise UsageError(
            f"a {type(task).__name__} is not a task",
            hint="Give a task's name, a card, or a dataset. For images and labels: as_task(images, labels, classes=…).",
        )
    return as_task(task)


def _tasks(tasks: Any) -> Iterable[Any]:
    if isinstance(tasks, Iterator | set | frozenset):
        tasks = tuple(tasks)
    if not isinstance(tasks, list | tuple):
        return (tasks,)
    first = tasks[0] if tasks else None
    # A list of samples is one dataset. A list of tasks contains names, cards or datasets.
    return (tasks,) if isinstance(first, tuple | Mapping) and not hasattr(first, "card") else tasks
