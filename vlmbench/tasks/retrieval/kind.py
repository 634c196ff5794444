"""The descriptor of the kind of task ``retrieval``; :mod:`vlmbench.kinds` finds it here."""

from __future__ import annotations

from vlmbench.kinds import TaskKind

KIND = TaskKind(
    name="retrieval",
    title="Retrieval",
    plugin="vlmbench.tasks.retrieval.plugin:PLUGIN",
    metrics=(
        "mean_recall@1",
        *(f"{direction}_recall@{k}" for direction in ("image_to_text", "text_to_image") for k in (1, 5, 10)),
        *(
            f"{direction}_{mean}_rank"
            for direction in ("image_to_text", "text_to_image")
            for mean in ("median", "mean")
        ),
    ),
    truth=("captions",),
    protocol="vlmbench.tasks.retrieval.protocol:RetrievalProtocol",
    paired="vlmbench.tasks.retrieval.paired:PAIRING",
    frames="vlmbench.tasks.retrieval.frames:FRAMES",
    sources=("captions",),
    hub_task=("image-text-retrieval", "Image-Text Retrieval"),
    place=2,
)
