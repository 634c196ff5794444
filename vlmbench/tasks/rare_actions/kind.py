"""The descriptor of the kind of task ``rare_actions``; :mod:`vlmbench.kinds` finds it here."""

from __future__ import annotations

from vlmbench.kinds import TaskKind

KIND = TaskKind(
    name="rare_actions",
    title="Rare actions",
    plugin="vlmbench.tasks.rare_actions.plugin:PLUGIN",
    truth=("label", "annotation"),
    paired="vlmbench.tasks.rare_actions.paired:PAIRING",
    frames="vlmbench.tasks.rare_actions.frames:FRAMES",
    hub_task=("video-classification", "Zero-Shot Action Recognition"),
    place=5,
)
