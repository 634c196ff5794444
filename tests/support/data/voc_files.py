"""A VOC devkit of three photographs."""

from __future__ import annotations

from pathlib import Path

from cards.protocols import CARDS
from data.layouts import image_bytes, write_folder

CLASSES = tuple(CARDS["voc2007-multilabel"].classes or ())
PRESENT = {"000001": {"dog": " 1", "person": " 0"}, "000002": {"tvmonitor": " 1"}, "000003": {}}
"""By image: 0 stands for a person that is difficult to see."""


def object_xml(name: str, corners: tuple[int, ...], extra: str = "") -> str:
    box = "".join(f"<{side}>{at}</{side}>" for side, at in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name><pose>Left</pose>{extra}<bndbox>{box}</bndbox></object>"


ANNOTATIONS = {
    "000001": object_xml("dog", (2, 1, 8, 6))
    + object_xml(
        "person",
        (1, 1, 12, 9),
        "<difficult>1</difficult><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>",
    ),
    "000002": object_xml("tvmonitor", (3, 2, 5, 9)),
    "000003": "",
}


def devkit(root: Path) -> Path:
    lists = {
        f"ImageSets/Main/{name}_test.txt": "".join(
            f"{image} {flags.get(name, '-1')}\n" for image, flags in PRESENT.items()
        ).encode()
        for name in CLASSES
    }
    return write_folder(
        root,
        lists
        | {"ImageSets/Main/test.txt": "".join(f"{image}\n" for image in PRESENT).encode()}
        | {f"JPEGImages/{image}.jpg": image_bytes(int(image), "JPEG") for image in PRESENT}
        | {
            f"Annotations/{image}.xml": f"<annotation>{xml}</annotation>".encode() for image, xml in ANNOTATIONS.items()
        },
    )
