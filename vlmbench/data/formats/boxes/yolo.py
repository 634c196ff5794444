"""YOLO's annotation files: one text an image, a line an object, and a list of the classes' names.

A line is ``class x y width height``: the centre and the size as parts of the image's width and height. Instead of the
four numbers there may be a polygon, whose bounds are the box. Source: Ultralytics' documentation of its detection and
segmentation datasets, and of Darknet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlmbench.data.formats.boxes.stated import stated_number
from vlmbench.data.labels import listing
from vlmbench.data.location import read_text
from vlmbench.errors import DataError, LabelError

NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "predefined_classes.txt")
"""Files of class names, one a line, as LabelImg, Label Studio, CVAT and Roboflow write them."""
_SLACK = 0.01
"""How far outside 0 … 1 a number may lie: tools round, and Ultralytics' own check lets as much pass."""


@dataclass(frozen=True)
class YoloObject:
    """One object: its class' number, and its (centre x, centre y, width, height) as parts of the image."""

    label: int
    box: tuple[float, float, float, float]

    def xywh(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Left, top, width and height in the pixels of an image of this width and height."""
        x, y, width, height = self.box
        return (x - width / 2) * size[0], (y - height / 2) * size[1], width * size[0], height * size[1]


def read_yolo_labels(file: Path, classes: int, *, keypoints: bool = False) -> list[YoloObject]:
    """The objects of an image; an empty file has none.

    Args:
        classes: how many there are.
        keypoints: points follow the box in each line, so that more numbers are no polygon.

    Raises:
        DataError: it cannot be read.
        LabelError: a line is no object of one of the classes, in parts of its image.
    """
    found = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        words = line.split()
        if words:
            try:
                found.append(_object(words, classes, keypoints=keypoints))
            except ValueError as error:
                raise LabelError(
                    f"{file}: line {number} ({line.strip()[:80]}): {error}",
                    hint="A line is: class, centre x, centre y, width and height, the last four as parts of the image.",
                ) from error
    return found


def _object(words: Sequence[str], classes: int, *, keypoints: bool) -> YoloObject:
    label = stated_number(words[0])
    if not label.is_integer() or not 0 <= label < classes:
        raise ValueError(f"{words[0]} is none of the classes 0 to {classes - 1}")
    numbers = [stated_number(word) for word in words[1:]]
    if len(numbers) == 5 and not keypoints:
        raise ValueError("five numbers after the class are a model's prediction with its score, no annotation")
    is_polygon = len(numbers) >= 6 and len(numbers) % 2 == 0 and not keypoints
    if len(numbers) != 4 and not is_polygon and not (keypoints and len(numbers) > 4):
        raise ValueError(f"{len(numbers)} numbers after the class are neither a box nor a polygon")
    numbers = numbers if is_polygon else numbers[:4]
    if outside := [number for number in numbers if not -_SLACK <= number <= 1 + _SLACK]:
        raise ValueError(f"{outside[0]:g} is not between 0 and 1, as a part of the image")
    if is_polygon:
        across, down = numbers[::2], numbers[1::2]
        left, right, top, bottom = min(across), max(across), min(down), max(down)
        return YoloObject(int(label), ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
    x, y, width, height = numbers
    return YoloObject(int(label), (x, y, width, height))


@dataclass(frozen=True)
class YoloNames:
    """The classes of a folder, and the file that names them."""

    file: Path
    names: tuple[str, ...]
    keypoints: bool = False


def read_names(file: Path) -> YoloNames | None:
    """The class names that a file states: ``names`` of a YAML, or the lines of a list; None for a YAML of other things.

    Raises:
        DataError: it cannot be read, or its names are no list of names.
    """
    if file.suffix.lower() not in (".yaml", ".yml"):
        lines = [line.strip() for line in read_text(file).splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        return YoloNames(file, _checked(file, lines))
    try:
        content = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise DataError(f"{file} is no YAML: {error}") from error
    if not isinstance(content, dict) or "names" not in content:
        return None
    names = content["names"]
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"{file}: its names are numbered {listing(map(str, names))}, not 0 to {len(names) - 1}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{file}: its names are no list, but a {type(names).__name__}")
    if isinstance(stated := content.get("nc"), int) and stated != len(names):
        raise DataError(f"{file}: it states {stated} classes (nc) and names {len(names)}")
    return YoloNames(file, _checked(file, names), content.get("kpt_shape") is not None)


def _checked(file: Path, names: Sequence[Any]) -> tuple[str, ...]:
    """A name may be a number, which YAML makes of a bare one; a blank line amid the others is no name."""
    for number, name in enumerate(names):
        if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
            raise LabelError(
                f"{file}: class {number} has the name {_shown(name)}, which is no name",
                hint="Write it between quotes." if isinstance(name, bool) else None,
            )
    if not names:
        raise DataError(f"{file} names no class")
    return tuple(str(name) for name in names)


def _shown(name: Any) -> str:
    """A value for a message. Of lists and mappings their kind alone: a YAML can make them too large to write out."""
    return repr(name) if name is None or isinstance(name, str | bool) else f"of a {type(name).__name__}"
