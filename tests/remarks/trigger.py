"""What makes real code say a remark, and how its inputs are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tasks.detection.models
import toy_adapter
import toy_dense
import yaml
from data.layouts import image_bytes, write_folder
from data.mask_files import filled, write_pairs

assert toy_adapter and toy_dense and tasks.detection.models  # their models are registered

TOY = ("-m", "toy:a")
SIZE = (32, 24)
"""Width and height of the pictures with boxes."""
Arguments = Sequence[object]


@dataclass(frozen=True)
class Trigger:
    """A run of which a remark comes.

    Attributes:
        write: writes its inputs into a folder, and returns the arguments of ``vlmbench run``.
        sentence: the remark's, with {top} for that folder and * for what no two runs have in common.
        brief: what a table says.
        count: the remark's.
    """

    write: Callable[[Path, pytest.MonkeyPatch], Arguments]
    sentence: str
    brief: str
    count: int = 1


def images(top: Path) -> tuple[str, str]:
    """Three images each of two classes, as the arguments of a run."""
    write_folder(top / "images", {f"{name}/{i}.png": image_bytes(i) for name in ("cat", "dog") for i in range(3)})
    return ("-t", f"imagefolder:{top / 'images'}")


def lines(path: Path, *content: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in content))
    return path


def task_card(top: Path, kind: str, location: Path, **fields: Any) -> tuple[str, Path]:
    """A card named t, as the arguments of a run."""
    card = {"name": "t", "sources": [{"kind": kind, "location": str(location)}], **fields}
    (top / "t.yaml").write_text(yaml.safe_dump(card))
    return ("-t", top / "t.yaml")


def model_card(top: Path, adapter: str, spec: object, **options: Any) -> tuple[str, Path]:
    """A card named m, as the arguments of a run."""
    card = {"name": "m", "adapter": adapter, "spec": str(spec), "options": options}
    (top / "m.yaml").write_text(yaml.safe_dump(card))
    return ("-m", top / "m.yaml")


def captions(top: Path, entries: Mapping[str, Sequence[str]], there: Sequence[str], **protocol: Any) -> Arguments:
    """Captions of these images, of which some are there."""
    pictures = {f"images/{name}": image_bytes(i) for i, name in enumerate(there)}
    listed = [{"image": name, "caption": list(own)} for name, own in entries.items()]
    write_folder(top / "set", {"captions.json": json.dumps(listed).encode(), **pictures})
    return task_card(top, "captions", top / "set", plugin="retrieval", protocol=protocol)


def masks(top: Path, labels: Mapping[str, int], **fields: Any) -> Arguments:
    """Masks of one label each, of the classes sky, sea and sand."""
    write_pairs(top / "set", {name: filled(label) for name, label in labels.items()})
    fields = {"plugin": "segmentation", "classes": ["sky", "sea", "sand"], **fields}
    return ("-m", "toy-dense:patches", *task_card(top, "masks", top / "set", **fields))


def boxes(
    top: Path, places: Sequence[Sequence[float]] = ((2, 3, 10, 8), (5, 5, 9, 9)), *, lvis: bool = False, **fields: Any
) -> Arguments:
    """Boxes of the classes cat and dog by turns in the first of two pictures, in COCO's form."""
    pictures: list[dict[str, Any]] = [
        {"id": i, "file_name": f"{i}.png", "width": SIZE[0], "height": SIZE[1]} for i in (1, 2)
    ]
    categories: list[dict[str, Any]] = [{"id": i, "name": name} for i, name in enumerate(("cat", "dog"), 1)]
    if lvis:
        for picture in pictures:
            picture |= {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
        for category in categories:
            category["frequency"] = "f"
    annotations = [
        {"id": i, "image_id": 1, "category_id": 1 + i % 2, "bbox": list(box), "area": box[2] * box[3], "iscrowd": 0}
        for i, box in enumerate(places, 1)
    ]
    content = {"images": pictures, "annotations": annotations, "categories": categories}
    files = {f"images/{i}.png": image_bytes(i, size=SIZE) for i in (1, 2)}
    write_folder(top / "set", {"instances.json": json.dumps(content).encode(), **files})
    return (*TOY, *task_card(top, "coco", top / "set", plugin="detection", metrics=["ap"], **fields))
