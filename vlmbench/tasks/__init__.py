"""Task plugins: what is asked of a model, one file a kind of task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.registry import Registry

if TYPE_CHECKING:
    from vlmbench.tasks.base import TaskPlugin

PLUGINS: Registry[TaskPlugin] = Registry(
    "task plugin",
    {
        "classification": "vlmbench.tasks.classification.plugin:PLUGIN",
        "retrieval": "vlmbench.tasks.retrieval.plugin:PLUGIN",
        "segmentation": "vlmbench.tasks.segmentation.plugin:PLUGIN",
        "detection": "vlmbench.tasks.detection.plugin:PLUGIN",
        "rare_actions": "vlmbench.tasks.rare_actions.plugin:PLUGIN",
    },
    group="vlmbench.tasks",
)
