"""Reads LabelMe's annotation files: one JSON file per image, with the points of each shape.

The reader of folders with label files uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from vlmbench.data.formats.boxes.stated import stated_number, stated_size
from vlmbench.errors import DataError, LabelError
from vlmbench.files import read_bytes
from vlmbench.wording import counted

_WITHOUT_EXTENT = ("point", "points", "line", "linestrip")


@dataclass(frozen=True)
class LabelMeObject:
    """One object: its class name and the box around its shape (left, top, width, height in pixels)."""

    name: str
    xywh: tuple[float, float, float, float]


@dataclass(frozen=True)
class LabelMeAnnotation:
    """The annotations of one image.

    Attributes:
        filename: the image's file name, as stated, without folders; empty if it is not stated.
        size: width and height; None if they are not stated.
        objects: the objects.
        without_extent: the number of shapes that are points or lines and have no box.
    """

    filename: str
    size: tuple[int, int] | None
    objects: Sequence[LabelMeObject]
    without_extent: int = 0


def is_labelme(file: Path) -> bool:
    """Whether a JSON file has the keys of LabelMe's annotations."""
    try:
        content = json.loads(read_bytes(file))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_labelme(file: Path) -> LabelMeAnnotation:
    """Read the objects of an image: the boxes around its rectangles, polygons, circles and masks.

    Raises:
        DataError: the file cannot be read, or does not have LabelMe's form.
        LabelError: a shape has no label, or wrong points.
    """
    try:
        content = json.loads(read_bytes(file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise DataError(f"{file} is not an annotation file of LabelMe: it has no list of 'shapes'")
    objects, without = [], 0
    try:
        size = stated_size(content.get("imageWidth"), content.get("imageHeight"))
        for shape in content["shapes"]:
            if isinstance(shape, dict) and shape.get("shape_type") in _WITHOUT_EXTENT:
                without += 1
            else:
                objects.append(_object(shape))
    except (KeyError, TypeError, ValueError) as error:
        raise LabelError(f"{file}: shape {len(objects) + without + 1} cannot be read: {error}") from error
    name = content.get("imagePath")
    return LabelMeAnnotation(PureWindowsPath(name).name if isinstance(name, str) else "", size, objects, without)


def _object(shape: Any) -> LabelMeObject:
    name = shape["label"]
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"its label is {name!r}, not a name")
    points = [(stated_number(x), stated_number(y)) for x, y in shape["points"]]
    if len(points) < 2:
        raise ValueError(f"it has {counted(len(points), 'point')}, and a box needs two or more")
    if shape.get("shape_type") == "circle":  # its points are the centre and a point on the circle
        (x, y), on = points[0], points[1]
        radius = math.hypot(on[0] - x, on[1] - y)
        points = [(x - radius, y - radius), (x + radius, y + radius)]
    across, down = [x for x, _ in points], [y for _, y in points]
    left, top = min(across), min(down)
    return LabelMeObject(name.strip(), (left, top, max(across) - left, max(down) - top))
