"""The descriptor of detection: where are objects in an image, and of which class are they?

:mod:`vlmbench.kinds` finds it.
"""

from __future__ import annotations

from vlmbench.kinds import TaskKind

KIND = TaskKind(
    name="detection",
    title="Detection",
    plugin="vlmbench.tasks.detection.plugin:PLUGIN",
    metrics=(
        *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
        *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
    ),
    truth=("truth_labels", "truth_boxes", "truth_areas", "truth_crowds", "absent", "partial"),
    protocol="vlmbench.tasks.detection.protocol:DetectionProtocol",
    paired="vlmbench.tasks.detection.paired:PAIRING",
    frames="vlmbench.tasks.detection.frames:FRAMES",
    sources=("boxes", "coco"),
    hub_task=("zero-shot-object-detection", "Zero-Shot Object Detection"),
    place=4,
)
