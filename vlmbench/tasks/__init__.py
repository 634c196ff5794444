"""Task kinds: what is asked of a model, one folder a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vlmbench.kinds import KINDS

if TYPE_CHECKING:
    from vlmbench.tasks.base import TaskPlugin


def task_plugin(kind: str) -> TaskPlugin:
    """The plugin of a kind of task.

    Raises:
        UnknownNameError: there is no such kind.
        PluginError, MissingDependencyError: its code cannot be imported.
    """
    return cast("TaskPlugin", KINDS.get(kind).load_plugin())
