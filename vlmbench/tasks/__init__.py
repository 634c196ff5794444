"""The kinds of task: what a model can be asked. Each kind has one folder, and :mod:`vlmbench.run` loads its plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from vlmbench.kinds import KINDS

if TYPE_CHECKING:
    from vlmbench.tasks.base import TaskPlugin


def task_plugin(kind: str) -> TaskPlugin:
    """The plugin of a kind of task.

    Raises:
        UnknownNameError: there is no kind of this name.
        PluginError, MissingDependencyError: the kind's code cannot be imported.
    """
    return cast("TaskPlugin", KINDS.get(kind).load_plugin())
