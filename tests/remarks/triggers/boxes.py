"""What makes remarks of boxes: where they lie, which are repeated, what they are called, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data.box_layouts import write_layout
from remarks.trigger import TOY, Arguments, Trigger, boxes

INSIDE = (2, 3, 10, 8)
BOTH = [INSIDE, (5, 5, 9, 9)]
"""One of each class."""


def unlabelled(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    root = write_layout("Label Studio, YOLO", top / "set")
    for name in "ab":
        (root / "labels" / f"{name}.txt").unlink()
    return (*TOY, "-t", f"boxes:{root}")


def of_one_class(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    boxes(top, [INSIDE])
    return (*TOY, "-t", f"coco:{top / 'set'}")


def changed(top: Path, change: Callable[[dict[str, Any]], object]) -> Arguments:
    arguments = boxes(top, BOTH)
    path = top / "set" / "instances.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return arguments


def alike(content: dict[str, Any]) -> None:
    content["categories"][1]["name"] = "Cat "


TRIGGERS = {
    "boxes-outside": Trigger(
        lambda top, _: boxes(top, [INSIDE, (25, 5, 20, 9)]),
        "1 of the 2 boxes of {top}/set/instances.json goes beyond the edge of its image: 1.png",
        "1 box outside",
    ),
    "repeated-boxes": Trigger(
        lambda top, _: boxes(top, [INSIDE, (5, 5, 9, 9), INSIDE]),
        "1 of the 3 boxes of {top}/set/instances.json repeats an earlier box of the same class in the same image, and "
        "it counts as an object to find: 1.png",
        "1 repeated box",
    ),
    "unlabelled-images": Trigger(
        unlabelled,
        "2 of the 3 images of boxes '{top}/set' have no label file, and count as images without objects: "
        "images/a.png, images/b.png",
        "2 unlabelled images",
        2,
    ),
    "alike-class-names": Trigger(
        lambda top, _: changed(top, alike),
        "1 class name of {top}/set/instances.json is spelt in several ways, which differ only in letter case, spaces, "
        "hyphens or underscores, and each spelling counts as a class: 'cat' and 'Cat '",
        "1 class name spelt in several ways",
    ),
    "given-boxes": Trigger(
        lambda top, _: boxes(top, BOTH),
        "the model classified boxes that the data gives, so the score does not measure how well the model finds boxes",
        "given boxes",
    ),
    "no-objects": Trigger(
        of_one_class,
        "1 of 2 classes has no object in the data, so it does not count in the mean, but models can still choose "
        "it: cat",
        "1 of 2 classes without objects",
    ),
}
