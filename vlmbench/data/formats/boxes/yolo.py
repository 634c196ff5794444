"""Reads YOLO's annotation files: one text file per image, one line per object, and a list of class names.

The reader of folders with label files uses it. A line is ``class x y width height``: the centre and the size as shares
of the image's width and height. A polygon may replace the four numbers; then the box is the box around it. Source: the
documentation of Ultralytics' detection and segmentation datasets, and of Darknet.
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
from vlmbench.wording import counted, either

NAME_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "predefined_classes.txt")
"""Files of class names, one per line, which LabelImg, Label Studio, CVAT and Roboflow write."""
_SLACK = 0.01
"""A number may be outside 0 … 1 by this much, because tools round. Ultralytics' own check allows the same."""


@dataclass(frozen=True)
class YoloObject:
    """One object: the number of its class, and its box (centre x, centre y, width, height) as shares of the image."""

    label: int
    box: tuple[float, float, float, float]

    def xywh(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Left, top, width and height in the pixels of an image of this width and height."""
        x, y, width, height = self.box
        return (x - width / 2) * size[0], (y - height / 2) * size[1], width * size[0], height * size[1]


def read_yolo_labels(file: Path, classes: int, *, keypoints: bool = False) -> list[YoloObject]:
    """Read the objects of an image. An empty file has no objects.

    Args:
        classes: the number of classes.
        keypoints: in each line, keypoints follow the box, so that more than four numbers are not a polygon.

    Raises:
        DataError: the file cannot be read.
        LabelError: a line has an unknown class, another number of values, or values outside 0 … 1.
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
                    hint="A line is: class, centre x, centre y, width, height. The last four are shares of the image's "
                    "width and height.",
                ) from error
    return found


def _object(words: Sequence[str], classes: int, *, keypoints: bool) -> YoloObject:
    label = stated_number(words[0])
    if not label.is_integer() or not 0 <= label < classes:
        raise ValueError(f"the class {words[0]} is not one of 0 to {classes - 1}")
    numbers = [stated_number(word) for word in words[1:]]
    if len(numbers) == 5 and not keypoints:
        raise ValueError("five numbers after the class are a model's prediction with its score, not an annotation")
    is_polygon = len(numbers) >= 6 and len(numbers) % 2 == 0 and not keypoints
    if len(numbers) != 4 and not is_polygon and not (keypoints and len(numbers) > 4):
        raise ValueError(
            f"{counted(len(numbers), 'number')} after the class {either(len(numbers), 'is', 'are')} neither a box nor "
            "a polygon"
        )
    numbers = numbers if is_polygon else numbers[:4]
    if outside := [number for number in numbers if not -_SLACK <= number <= 1 + _SLACK]:
        raise ValueError(f"{outside[0]:g} is not between 0 and 1")
    if is_polygon:
        across, down = numbers[::2], numbers[1::2]
        left, right, top, bottom = min(across), max(across), min(down), max(down)
        return YoloObject(int(label), ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
    x, y, width, height = numbers
    return YoloObject(int(label), (x, y, width, height))


@dataclass(frozen=True)
class YoloNames:
    """The class names that a file states.

    Attributes:
        file: the file.
        names: the names, in the order of their numbers.
        keypoints: whether label files have keypoints after each box.
    """

    file: Path
    names: tuple[str, ...]
    keypoints: bool = False


def read_names(file: Path) -> YoloNames | None:
    """The class names that a file states: ``names`` of a YAML file, or the lines of a text file.

    Returns:
        None for a YAML file without ``names``.

    Raises:
        DataError: the file cannot be read, or its names are not a list, or not as many as it states.
        LabelError: a name is not a text or a number.
    """
    if file.suffix.lower() not in (".yaml", ".yml"):
        lines = [line.strip() for line in read_text(file).splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        return YoloNames(file, _checked(file, lines))
    try:
        content = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise DataError(f"{file} is not valid YAML: {error}") from error
    if not isinstance(content, dict) or "names" not in content:
        return None
    names = content["names"]
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"{file}: its names are numbered {listing(map(str, names))}, not 0 to {len(names) - 1}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{file}: its names must be a list, not {names!r:.40}")
    if isinstance(stated := content.get("nc"), int) and stated != len(names):
        raise DataError(f"{file}: it states {counted(stated, 'class', 'classes')} (nc), but names {len(names):,}")
    return YoloNames(file, _checked(file, names), content.get("kpt_shape") is not None)


def _checked(file: Path, names: Sequence[Any]) -> tuple[str, ...]:
    """The names as texts. A number is allowed, because YAML reads ``7`` as a number; an empty name is an error."""
    for number, name in enumerate(names):
        if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
            raise LabelError(
                f"{file}: the name of class {number} is {_shown(name)}, not a text",
                hint="Write it between quotes." if isinstance(name, bool) else None,
            )
    if not names:
        raise DataError(f"{file} names no classes")
    return tuple(str(name) for name in names)


def _shown(name: Any) -> str:
    """A value for a message. A list or a mapping is named only by its type: in YAML it can be endlessly large."""
    return repr(name) if name is None or isinstance(name, str | bool) else f"a {type(name).__name__}"
