"""The descriptor of semantic segmentation: which class does each pixel show?

:mod:`vlmbench.kinds` finds it.
"""

from __future__ import annotations

from vlmbench.kinds import TaskKind

KIND = TaskKind(
    name="segmentation",
    title="Segmentation",
    plugin="vlmbench.tasks.segmentation.plugin:PLUGIN",
    metrics=("miou", "pixel_accuracy", "mean_accuracy"),
    truth=("truth",),
    protocol="vlmbench.tasks.segmentation.protocol:SegmentationProtocol",
    paired="vlmbench.tasks.segmentation.paired:PAIRING",
    frames="vlmbench.tasks.segmentation.frames:FRAMES",
    sources=("masks",),
    hub_task=("image-segmentation", "Zero-Shot Semantic Segmentation"),
    hub_metrics=(("miou", "mean_iou"),),
    place=3,
)
