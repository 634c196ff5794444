"""COCO's and LVIS' annotation files: images, categories and boxes, checked and without their outlines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from vlmbench.errors import DataError, LabelError
from vlmbench.files import read_bytes

_OUTLINES = ("segmentation", "keypoints")
"""Dropped while the file is read: they are nine tenths of it."""


_LARGEST = 2**63 - 1
"""Evaluators keep ids in 64 bits."""
_LONGEST_SIDE = 10**6
"""Pixels: ten times what Pillow decodes without asking."""


@dataclass(frozen=True)
class Category:
    """One class as the file states it."""

    id: int
    name: str
    frequency: str | None


@dataclass
class AnnotatedImage:
    """One image as the file states it.

    Attributes:
        id: the file's own.
        file: POSIX path relative to the folder of the images.
        annotations: each object's (id, category id, xywh, area, crowd).
        absent: LVIS' ``neg_category_ids``; None where the file has none.
        partial: LVIS' ``not_exhaustive_category_ids``; None likewise.
        size: width and height; None where the file does not state them.
    """

    id: int
    file: str
    annotations: list[tuple[int, int, tuple[float, float, float, float], float, bool]] = field(default_factory=list)
    absent: tuple[int, ...] | None = None
    partial: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class AnnotationFile:
    """A whole file: images by ascending id, which is the order in which evaluators rank equal scores."""

    images: Sequence[AnnotatedImage]
    categories: Sequence[Category]


def read_annotations(path: Path) -> AnnotationFile:
    """Read a file of COCO's or LVIS' form.

    ``area`` may be missing (then it is width × height), and so may ``iscrowd`` and an annotation's ``id``. Boxes that
    stick out of their image or have no area stay as the file has them: they are the evaluator's matter.

    Raises:
        DataError: it cannot be read, is no such file, lacks a key, or has an id twice.
        LabelError: a box of an unknown image or category, of negative size, or of numbers that are not finite.
    """
    content = _parsed(path)
    categories = [
        Category(_integer(entry, "id", path), str(_get(entry, "name", "category", path)), entry.get("frequency"))
        for entry in _entries(content, "categories", path)
    ]
    images = {}
    for entry in _entries(content, "images", path):
        image = AnnotatedImage(
            _integer(entry, "id", path),
            _file_name(entry, path),
            absent=_labels(entry, "neg_category_ids", path),
            partial=_labels(entry, "not_exhaustive_category_ids", path),
            size=_size(entry, path),
        )
        if image.id in images:
            raise DataError(f"{path}: two images have the id {image.id}")
        images[image.id] = image
    known = {category.id for category in categories}
    if len(known) < len(categories):
        raise DataError(f"{path}: two categories have one id")
    for number, entry in enumerate(_entries(content, "annotations", path), 1):
        _add(entry, number, images, known, path)
    return AnnotationFile([images[key] for key in sorted(images)], sorted(categories, key=lambda category: category.id))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(path), object_hook=_without_outlines)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: annotations are an object of images, annotations and categories, not a {type(content).__name__}",
            hint="A list is a results file; it goes to `--set proposals=FILE`.",
        )
    return content


def _without_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    for key in _OUTLINES:
        entry.pop(key, None)
    return entry


def _add(
    entry: dict[str, Any], number: int, images: dict[int, AnnotatedImage], categories: set[int], path: Path
) -> None:
    image_id, category = _integer(entry, "image_id", path), _integer(entry, "category_id", path)
    name = number if entry.get("id") is None else _integer(entry, "id", path)
    if image_id not in images:
        raise LabelError(f"{path}: annotation {name} is of image {image_id}, which is not among its images")
    if category not in categories:
        raise LabelError(f"{path}: annotation {name} is of category {category}, which is not among its categories")
    box = _get(entry, "bbox", "annotation", path)
    try:
        left, top, width, height = (float(number) for number in box)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: annotation {name} has no box of four numbers: {box!r}") from error
    stated = entry.get("area")
    if stated is not None and (isinstance(stated, bool) or not isinstance(stated, int | float)):
        raise DataError(f"{path}: annotation {name} has an area that is no number: {stated!r}")
    area = width * height if stated is None else _float(stated)
    if not all(map(math.isfinite, (left, top, width, height, area))):
        raise LabelError(f"{path}: annotation {name} has a box of numbers that are not finite: {box!r}, area {area}")
    if width < 0 or height < 0:
        raise LabelError(f"{path}: annotation {name} has a box of negative size: {box!r}")
    crowd = bool(entry.get("iscrowd", 0))
    images[image_id].annotations.append((name, category, (left, top, width, height), area, crowd))


def _entries(content: dict[str, Any], key: str, path: Path) -> Iterator[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list):
        raise DataError(
            f"{path}: it has no list of {key!r}", hint=f"It has {', '.join(map(repr, content)) or 'nothing'}."
        )
    for entry in found:
        if not isinstance(entry, dict):
            raise DataError(f"{path}: {key!r} holds {entry!r}, which is no object")
        yield entry


def _get(entry: dict[str, Any], key: str, kind: str, path: Path) -> Any:
    if key not in entry:
        raise DataError(f"{path}: {kind} {entry.get('id', entry)!r} has no {key!r}")
    return entry[key]


def _integer(entry: dict[str, Any], key: str, path: Path) -> int:
    value = _get(entry, key, "an entry", path)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{path}: {key!r} must be a whole number, not {value!r}")
    if abs(value) > _LARGEST:
        raise DataError(f"{path}: {key!r} is {str(value)[:40]}…, a number that no evaluator can hold")
    return value


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _size(entry: dict[str, Any], path: Path) -> tuple[int, int] | None:
    if entry.get("width") is None or entry.get("height") is None:
        return None
    width, height = _integer(entry, "width", path), _integer(entry, "height", path)
    if not (0 <= width <= _LONGEST_SIDE and 0 <= height <= _LONGEST_SIDE):
        raise DataError(f"{path}: image {entry.get('id')!r} has the size {width} × {height}, which no image has")
    return width, height


def _labels(entry: dict[str, Any], key: str, path: Path) -> tuple[int, ...] | None:
    found = entry.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(label, int) and abs(label) <= _LARGEST for label in found):
        raise DataError(f"{path}: image {entry.get('id')} has {key} {found!r}, which is no list of ids")
    return tuple(found)


def _file_name(entry: dict[str, Any], path: Path) -> str:
    """COCO names files; LVIS gives COCO's address, whose last two parts are the folder and the file."""
    if isinstance(entry.get("file_name"), str):
        return str(entry["file_name"])
    if isinstance(entry.get("coco_url"), str):
        return "/".join(PurePosixPath(entry["coco_url"]).parts[-2:])
    raise DataError(f"{path}: image {entry.get('id')!r} has neither 'file_name' nor 'coco_url'")
