"""Pictures of coloured rectangles with their boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw
import pytest
from tasks.detection.models import COLOURS

OBJECTS = {
    3: [("red", (2, 4, 20, 12)), ("blue", (30, 10, 8, 16))],
    1: [("green", (0, 0, 40, 8))],
    2: [],
    7: [("red", (5, 5, 10, 10)), ("red", (25, 20, 12, 8)), ("green", (4, 20, 8, 8))],
}
"""By image id: colour and xywh."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pictures in COCO's form, on black."""
    root = tmp_path / "colours"
    (root / "images").mkdir(parents=True)
    names = list(COLOURS)
    content: dict[str, Any] = {
        "images": [{"id": image, "file_name": f"{image}.png"} for image in OBJECTS],
        "categories": [{"id": 10 + place, "name": name} for place, name in enumerate(names)],
        "annotations": [],
    }
    for image, objects in OBJECTS.items():
        canvas = PIL.Image.new("RGB", (40, 32))
        pen = PIL.ImageDraw.Draw(canvas)
        for colour, (x, y, w, h) in objects:
            pen.rectangle((x, y, x + w - 1, y + h - 1), fill=COLOURS[colour])
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": image,
                    "category_id": 10 + names.index(colour),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        canvas.save(root / "images" / f"{image}.png")
    (root / "instances.json").write_text(json.dumps(content))
    return root
