"""The same boxes in the layouts that annotation tools export, each as its documentation draws it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from data.layouts import image_bytes, write_folder

SIZE = (40, 32)
NAMES = ("cat", "dog", "potted plant")
"""In the order in which YOLO numbers them."""
OBJECTS: Mapping[str, tuple[tuple[str, tuple[int, int, int, int]], ...]] = {
    "a": (("dog", (2, 4, 20, 12)), ("cat", (30, 10, 8, 16))),
    "b": (("potted plant", (0, 0, 40, 8)),),
    "c": (("cat", (5, 5, 10, 10)), ("cat", (25, 20, 12, 8)), ("dog", (4, 20, 8, 8))),
}
"""By image: class and left, top, width, height."""
Files = dict[str, bytes]


def images(where: str) -> Files:
    """``where`` has {} for the name."""
    return {where.format(name): image_bytes(number, size=SIZE) for number, name in enumerate(OBJECTS)}


def yolo(where: str) -> Files:
    width, height = SIZE
    return {
        where.format(name): "".join(
            f"{NAMES.index(label)} {(x + w / 2) / width} {(y + h / 2) / height} {w / width} {h / height}\n"
            for label, (x, y, w, h) in own
        ).encode()
        for name, own in OBJECTS.items()
    }


def voc_xml(name: str, *, first: int = 1) -> str:
    """Corners counted from ``first``: from 1 they are pixels of the object, from 0 its edges."""
    objects = "".join(
        f"""
  <object>
    <name>{label}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>0</difficult>
    <bndbox>
      <xmin>{x + first}</xmin>
      <ymin>{y + first}</ymin>
      <xmax>{x + w}</xmax>
      <ymax>{y + h}</ymax>
    </bndbox>
  </object>"""
        for label, (x, y, w, h) in OBJECTS[name]
    )
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
    return f"<annotation>\n  <folder>x</folder>\n  <filename>{name}.png</filename>{size}{objects}\n</annotation>"


def voc(where: str, *, first: int = 1) -> Files:
    return {where.format(name): voc_xml(name, first=first).encode() for name in OBJECTS}


def labelme(where: str) -> Files:
    def shapes(name: str) -> list[dict[str, object]]:
        return [
            {"label": label, "points": [[x + w, y + h], [x, y]], "group_id": None, "shape_type": "rectangle"}
            for label, (x, y, w, h) in OBJECTS[name]
        ]

    return {
        where.format(name): json.dumps(
            {
                "version": "5.4.1",
                "flags": {},
                "shapes": shapes(name),
                "imagePath": f"{name}.png",
                "imageData": None,
                "imageHeight": SIZE[1],
                "imageWidth": SIZE[0],
            }
        ).encode()
        for name in OBJECTS
    }


def coco(folder: str = "") -> bytes:
    """The content of a file of COCO's form; images are named below ``folder``."""
    rows = [(number, label, box) for number, own in enumerate(OBJECTS.values(), 1) for label, box in own]
    return json.dumps(
        {
            "images": [
                {"id": number, "file_name": f"{folder}{name}.png", "width": SIZE[0], "height": SIZE[1]}
                for number, name in enumerate(OBJECTS, 1)
            ],
            "annotations": [
                {
                    "id": place,
                    "image_id": image,
                    "category_id": NAMES.index(label),
                    "bbox": list(box),
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
                for place, (image, label, box) in enumerate(rows, 1)
            ],
            "categories": [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(NAMES)],
        }
    ).encode()


CLASSES = "".join(f"{name}\n" for name in NAMES).encode()
_ROBOFLOW = b"""train: ../train/images
val: ../valid/images
test: ../test/images

nc: 3
names: ['cat', 'dog', 'potted plant']
"""
_ULTRALYTICS = b"path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n  2: potted plant\n"
_CVAT = b"classes = 3\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"

LAYOUTS: Mapping[str, tuple[str, Callable[[], Files]]] = {
    "Roboflow, YOLO": (
        "valid",
        lambda: {
            "data.yaml": _ROBOFLOW,
            "README.roboflow.txt": b"Exported.",
            **{
                path: data
                for split in ("train", "valid", "test")
                for path, data in (images(f"{split}/images/{{}}.png") | yolo(f"{split}/labels/{{}}.txt")).items()
            },
        },
    ),
    "Ultralytics, YOLO": (
        "images/val",
        lambda: {
            "data.yaml": _ULTRALYTICS,
            **images("images/train/{}.png"),
            **images("images/val/{}.png"),
            **yolo("labels/train/{}.txt"),
            **yolo("labels/val/{}.txt"),
        },
    ),
    "CVAT, YOLO 1.1": (
        "",
        lambda: {
            "obj.data": _CVAT,
            "obj.names": CLASSES,
            "train.txt": b"data/obj_train_data/a.png\n",
            **images("obj_train_data/{}.png"),
            **yolo("obj_train_data/{}.txt"),
        },
    ),
    "LabelImg, YOLO": ("", lambda: {"classes.txt": CLASSES, **images("{}.png"), **yolo("{}.txt")}),
    "LabelImg, YOLO in two folders": (
        "images",
        lambda: {"labels/classes.txt": CLASSES, **images("images/{}.png"), **yolo("labels/{}.txt")},
    ),
    "Label Studio, YOLO": (
        "",
        lambda: {"classes.txt": CLASSES, **images("images/{}.png"), **yolo("labels/{}.txt")},
    ),
    "Roboflow, VOC": (
        "test",
        lambda: {
            path: data
            for split in ("train", "test")
            for path, data in (images(f"{split}/{{}}.png") | voc(f"{split}/{{}}.xml")).items()
        },
    ),
    "LabelImg, VOC": ("", lambda: {**images("{}.png"), **voc("{}.xml")}),
    "Kaggle, VOC": ("", lambda: {**images("images/{}.png"), **voc("annotations/{}.xml")}),
    "CVAT, VOC": (
        "",
        lambda: {
            "labelmap.txt": b"# label:color_rgb:parts:actions\nbackground:0,0,0::\n",
            "ImageSets/Main/default.txt": b"a\nb\nc\n",
            **images("JPEGImages/{}.png"),
            **voc("Annotations/{}.xml", first=0),
        },
    ),
    "Roboflow, COCO": (
        "train",
        lambda: {
            path: data
            for split in ("train", "valid")
            for path, data in ({f"{split}/_annotations.coco.json": coco()} | images(f"{split}/{{}}.png")).items()
        },
    ),
    "CVAT, COCO": (
        "",
        lambda: {"annotations/instances_default.json": coco(), **images("images/default/{}.png")},
    ),
    "Label Studio, COCO": ("", lambda: {"result.json": coco("images\\"), **images("images/{}.png")}),
    "LabelMe": ("", lambda: {**images("{}.png"), **labelme("{}.json")}),
}
"""A tool and its format: the folder that is named, and the files."""


def write_layout(name: str, root: Path) -> Path:
    """Write a layout; the folder to be named."""
    below, files = LAYOUTS[name]
    return write_folder(root, files()) / below
