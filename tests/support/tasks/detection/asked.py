"""Questions of detection on a folder of COCO's form, and what pycocotools says of results for it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.detection.plugin import PLUGIN, DetectionQuestion


def card_of(folder: Path, protocol: dict[str, Any] | None = None, **fields: Any) -> TaskCard:
    source = SourceSpec(kind="coco", location=str(folder))
    return TaskCard.model_validate(
        {"name": "t", "plugin": "detection", "sources": [source], "protocol": protocol or {}, **fields}
    )


def ask(card: TaskCard, options: TaskOptions | None = None) -> DetectionQuestion:
    options = options or TaskOptions()
    PLUGIN.check(card, options)
    names = tuple(card.classes) if card.classes else None
    dataset = open_dataset(card.sources, SourceContext(target="boxes", class_names=names))
    return PLUGIN.ask(card, {"test": dataset}, options)


def pycocotools_on(folder: Path, results: list[Any], image_ids: list[int] | None = None) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(str(folder / "instances.json"))
        run = COCOeval(ground, ground.loadRes(results), "bbox")
        if image_ids is not None:
            run.params.imgIds = image_ids
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(number) for number in run.stats]
