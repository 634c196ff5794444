"""Every source of vlmbench keeps the promises of data/base.py on a small layout of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.box_layouts import write_layout
from data.coco_files import coco_content, write_coco
from data.layouts import image_bytes, write_folder, write_wds
from data.mask_files import SIZE, png, write_pairs
from data.videos import write_frames
from data.voc_files import devkit

from vlmbench.data import SOURCES
from vlmbench.testing import Conformance, check_source, write_image_folder

HALVES = np.concatenate([np.zeros((SIZE[1] // 2, SIZE[0])), np.ones((SIZE[1] - SIZE[1] // 2, SIZE[0]))])
COLOUR_IMAGES = {f"{name}.png": image_bytes(number) for number, name in enumerate("abc")}


def imagefolder(root: Path) -> Conformance:
    return check_source("imagefolder", write_image_folder(root / "images", {"cat": 3, "dog": 3}))


def filelist(root: Path) -> Conformance:
    paths = ("x/a.png", "y/b.png", "x/c.png")
    images = dict(zip(paths, COLOUR_IMAGES.values(), strict=True))
    write_folder(root, {**images, "test.txt": "\n".join(paths).encode()})
    return check_source("filelist", root / "test.txt", class_names=["x", "y"])


def split_json(root: Path) -> Conformance:
    rows = [["a.png", 0, "x"], ["b.png", 1, "y"], ["c.png", 0, "x"]]
    write_folder(root, {**COLOUR_IMAGES, "split.json": json.dumps({"train": rows}).encode()})
    return check_source("split-json", root / "split.json", split="train", class_names=["x", "y"])


def captions(root: Path) -> Conformance:
    write_folder(root, {**COLOUR_IMAGES, "captions.txt": b"image,caption\na.png,one\nb.png,two\nc.png,three\n"})
    return check_source("captions", root, target="captions")


def boxes(root: Path) -> Conformance:
    return check_source("boxes", write_layout("LabelImg, YOLO", root), target="boxes")


def coco(root: Path) -> Conformance:
    content = coco_content(("cat", "dog", "cow"))
    write_coco(root, "instances.json", "images", content)
    assert json.loads((root / "instances.json").read_text())["images"]
    return check_source("coco", root, target="boxes", options={"annotations": "instances.json", "images": "images"})


def voc(root: Path) -> Conformance:
    return check_source("voc", devkit(root), target="classes", split="test")


def masks(root: Path) -> Conformance:
    return check_source(
        "masks", write_pairs(root, {"a": png(HALVES), "b": png(HALVES)}), target="mask", class_names="xy"
    )


def frames(root: Path) -> Conformance:
    for number, name in enumerate(("run", "jump")):
        write_frames(root / name / "clip", range(10 * number, 10 * number + 5))
    return check_source("frames", root, options={"frames": 3})


def wds(root: Path) -> Conformance:
    return check_source("wds", write_wds(root, [0, 1, 2, 1]))


def demo(root: Path) -> Conformance:
    return check_source("demo", "scenes")


BY_HAND = {"hub", "memory", "rareact", "torchvision"}
"""They need a server, tables of annotations, or a library's own layout; their own tests open and read them."""
LAYOUTS: dict[str, Callable[[Path], Conformance]] = {
    make.__name__: make
    for make in (imagefolder, filelist, split_json, captions, boxes, coco, voc, masks, frames, wds, demo)
}


@pytest.mark.filterwarnings("ignore::vlmbench.errors.VlmbenchWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_source_keeps_every_promise(name: str, tmp_path: Path) -> None:
    found: Any = LAYOUTS[name](tmp_path / "data")
    assert len(found.kept) + len(found.skipped) >= 12


def test_no_source_is_forgotten() -> None:
    built_in = {path.stem for path in Path(SOURCES.get("wds").open.__code__.co_filename).parent.glob("[!_]*.py")}  # type: ignore[union-attr]
    assert built_in == LAYOUTS.keys() | BY_HAND
