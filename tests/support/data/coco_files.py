"""A tiny dataset in COCO's or LVIS' form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.layouts import image_bytes, write_folder


def coco_content(names: Sequence[str], *, lvis: bool = False) -> dict[str, Any]:
    """Two images out of order, the second without boxes, and three boxes of the first classes, one a crowd."""
    last = len(names) - 1
    images: list[dict[str, Any]] = [
        {"id": 9, "file_name": "b.png", "width": 32, "height": 24},
        {"id": 4, "file_name": "a.png", "width": 32, "height": 24},
    ]
    annotations = [
        {"id": 11, "image_id": 4, "category_id": 3, "bbox": [2, 3, 10, 8], "area": 55.5, "iscrowd": 0},
        {"id": 12, "image_id": 4, "category_id": 3 + 2 * last, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0},
        {"id": 13, "image_id": 4, "category_id": 3, "bbox": [0, 0, 30, 20], "area": 600, "iscrowd": 1},
    ]
    for entry in annotations:
        entry["segmentation"] = [[0, 0, 1, 1, 2, 2]]
    categories: list[dict[str, Any]] = [{"id": 3 + 2 * place, "name": name} for place, name in enumerate(names)]
    if lvis:
        for entry in images:
            entry["coco_url"] = f"http://images.example/val2017/{entry.pop('file_name')}"
            entry |= {"neg_category_ids": [3], "not_exhaustive_category_ids": [3 + 2 * last]}
        for place, category in enumerate(categories):
            category["frequency"] = "rcf"[place % 3]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories[::-1]}


def write_coco(root: Path, annotations: str, images: str, content: dict[str, Any]) -> Path:
    """The annotation file and both images below a folder."""
    pictures = {f"{images}/{name}.png".removeprefix("./"): image_bytes(number) for number, name in enumerate("ab")}
    return write_folder(root, {annotations: json.dumps(content).encode(), **pictures})
