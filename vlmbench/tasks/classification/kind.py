"""The descriptor of the kind of task ``classification``; :mod:`vlmbench.kinds` finds it here."""

from __future__ import annotations

from vlmbench.kinds import TaskKind

KIND = TaskKind(
    name="classification",
    title="Classification",
    plugin="vlmbench.tasks.classification.plugin:PLUGIN",
    metrics=("acc1", "acc5", "mean_per_class_recall", "ece"),
    truth=("label", "labels"),
    paired="vlmbench.tasks.classification.paired:PAIRING",
    frames="vlmbench.tasks.classification.frames:FRAMES",
    sources=("imagefolder",),
    hub_task=("zero-shot-image-classification", "Zero-Shot Image Classification"),
    hub_metrics=(("acc1", "accuracy"),),
    place=1,
)
