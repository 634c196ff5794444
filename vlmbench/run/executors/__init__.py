"""Executors, which carry out the jobs of a plan, one file each. ``vlmbench run --executor`` finds them here by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.errors import UsageError
from vlmbench.registry import Registry, modules_in

if TYPE_CHECKING:
    from vlmbench.run.executors.base import Executor, ExecutorFactory

EXECUTORS: Registry[ExecutorFactory] = Registry(
    "executor", modules_in("run/executors", "EXECUTOR", beside=("base",)), group="vlmbench.executors"
)
DEFAULT_EXECUTOR = "local"


def find_executor(name: str) -> Executor:
    """The executor of ``NAME`` or ``NAME:ARGUMENT``.

    Raises:
        UnknownNameError: no executor has this name.
        UsageError: the executor does not accept this argument, or it follows a comma.
        PluginError, MissingDependencyError: its code cannot be imported.
    """
    named, _, argument = name.partition(":")
    before, comma, options = named.partition(",")
    if comma and before in EXECUTORS:
        raise UsageError(
            f"the options of an executor follow a colon, and {name!r} has a comma there",
            hint=f"Did you mean --executor {before}:{'8,' if before == DEFAULT_EXECUTOR else ''}{options}?",
        )
    return EXECUTORS.get(named)(argument)
