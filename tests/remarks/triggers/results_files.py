"""What makes remarks of detections that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from remarks.trigger import TOY, Arguments, Trigger, boxes

FIRST = {"image_id": 1, "category_id": 2, "bbox": [2, 3, 10, 8], "score": 0.9}
SECOND = {**FIRST, "image_id": 2}


def results(top: Path, *entries: dict[str, Any], **protocol: Any) -> Arguments:
    task = boxes(top, protocol={"regions": "native", **protocol})[len(TOY) :]
    (top / "answers").mkdir()
    (top / "answers" / "t.json").write_text(json.dumps(entries))
    return ("-m", f"predictions:{top / 'answers'}", *task)


TRIGGERS = {
    "unanswered-images": Trigger(
        lambda top, _: results(top, {**FIRST, "image_id": 7}, {**FIRST, "category_id": 7}),
        "2 of 2 images have no detection in t.json: 1.png, 2.png",
        "2 images without detections",
        2,
    ),
    "other-categories": Trigger(
        lambda top, _: results(top, FIRST, SECOND, {**FIRST, "category_id": 7}, {**FIRST, "category_id": 8}),
        "2 categories of t.json are not classes of the task, and 2 detections were not used: 7, 8",
        "2 other categories",
        2,
    ),
    "repeated-detections": Trigger(
        lambda top, _: results(top, FIRST, SECOND, FIRST),
        "1 of the 3 detections of t.json repeats an earlier one, with the same image, class, box and score",
        "1 repeated detection",
    ),
    "detections-outside": Trigger(
        lambda top, _: results(top, {**FIRST, "bbox": [-9, -9, 50, 50]}, {**SECOND, "bbox": [-9, -9, 50, 60]}),
        "2 of the 2 boxes of t.json leave their images; bbox must be left, top, width and height in pixels of the "
        "image: 1.png, 2.png",
        "2 boxes outside",
        2,
    ),
    "detections-left-out": Trigger(
        lambda top, _: results(top, FIRST, SECOND, {**FIRST, "score": 0.1}, score_threshold=0.5),
        "of the 3 detections of t.json, 1 has a score below 0.5, so the protocol leaves it out",
        "1 detection left out",
    ),
}
