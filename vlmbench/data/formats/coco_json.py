"""Reads and checks annotation files of COCO's and LVIS' form: images, categories and boxes, but no outlines.

The source :mod:`vlmbench.data.sources.coco` uses it.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from vlmbench.data.formats.boxes.stated import stated_flag, stated_number, stated_size
from vlmbench.data.labels import listing
from vlmbench.data.location import is_below
from vlmbench.errors import DataError, LabelError
from vlmbench.files import read_bytes
from vlmbench.wording import counted

_OUTLINES = ("segmentation", "keypoints")
"""Keys that are dropped while the file is read: they are nine tenths of it."""


_LARGEST = 2**63 - 1
"""The largest id: evaluators keep ids in 64 bits."""


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
        id: its id in the file.
        file: the image's POSIX path, relative to the folder of images.
        annotations: for each object, (id, category id, xywh, area, crowd).
        absent: LVIS' ``neg_category_ids``; None if the file does not have them.
        partial: LVIS' ``not_exhaustive_category_ids``; None if the file does not have them.
        size: width and height; None if the file does not state them.
    """

    id: int
    file: str
    annotations: list[tuple[int, int, tuple[float, float, float, float], float, bool]] = field(default_factory=list)
    absent: tuple[int, ...] | None = None
    partial: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class AnnotationFile:
    """A whole file. The images are sorted by id: in this order evaluators rank equal scores."""

    images: Sequence[AnnotatedImage]
    categories: Sequence[Category]


def read_annotations(path: Path) -> AnnotationFile:
    """Read a file of COCO's or LVIS' form.

    ``area`` may be missing (then it is width × height); ``iscrowd`` and an annotation's ``id`` may be missing, too.
    Numbers and flags may be written as text. Boxes that leave their image or have no area are not changed: the
    evaluator decides what they mean.

    Raises:
        DataError: the file cannot be read, does not have this form, lacks a key, has an id or an image twice, or has no
            boxes.
        LabelError: a box has an unknown image or category, a negative size, or a number that is not finite; a category
            has no name; a flag is neither 0 nor 1.
    """
    content = _parsed(path)
    categories = [
        Category(_integer(entry, "id", path), _category_name(entry, path), entry.get("frequency"))
        for entry in _entries(content, "categories", path)
    ]
    images = {}
    ids_of_files: dict[str, int] = {}
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
        other = ids_of_files.setdefault(posixpath.normpath(image.file), image.id)
        if other != image.id:
            raise DataError(
                f"{path}: the images {other} and {image.id} have the same file, {image.file!r}",
                hint="Objects that are annotated under one id only would count as mistakes under the other. Give the "
                "file one id, and all its annotations that id.",
            )
        images[image.id] = image
    known = {category.id for category in categories}
    if len(known) < len(categories):
        raise DataError(f"{path}: two categories have one id")
    for number, entry in enumerate(_entries(content, "annotations", path), 1):
        _add(entry, number, images, known, path)
    if not any(image.annotations for image in images.values()):
        raise DataError(
            f"{path}: it has {counted(len(images), 'image')} and no annotations, so that nothing can be measured",
            hint="It may belong to a split whose annotations are not public, such as a test split.",
        )
    return AnnotationFile([images[key] for key in sorted(images)], sorted(categories, key=lambda category: category.id))


def is_annotation_file(path: Path) -> bool:
    """Whether a file is JSON with the keys of COCO's form."""
    try:
        content = json.loads(read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(path), object_hook=_without_outlines)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: it must be an object with images, annotations and categories, not a {type(content).__name__}",
            hint="A list is a file of results: give it with `--set proposals=FILE`.",
        )
    return content


def _without_outlines(entry: dict[str, Any]) -> dict[str, Any]:
    if "bbox" in entry:
        for key in _OUTLINES:
            entry.pop(key, None)
    return entry


def _add(
    entry: dict[str, Any], number: int, images: dict[int, AnnotatedImage], categories: set[int], path: Path
) -> None:
    image_id, category = _integer(entry, "image_id", path), _integer(entry, "category_id", path)
    name = number if entry.get("id") is None else _integer(entry, "id", path)
    if image_id not in images:
        raise LabelError(
            f"{path}: annotation {name} belongs to image {image_id}, which is not one of the file's images"
        )
    if category not in categories:
        raise LabelError(
            f"{path}: annotation {name} has category {category}, which is not one of the file's categories"
        )
    if "bbox" not in entry:
        raise DataError(f"{path}: annotation {name} has no 'bbox'", hint=_without_boxes(entry))
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{path}: annotation {name} has no box of four numbers: {_short(box)}")
    try:
        left, top, width, height = (stated_number(number) for number in box)
        area = width * height if entry.get("area") is None else stated_number(entry["area"])
        crowd = stated_flag(entry.get("iscrowd"))
    except ValueError as error:
        raise LabelError(
            f"{path}: annotation {name} has a wrong value (bbox {_short(box)}, area {_short(entry.get('area'))}, "
            f"iscrowd {_short(entry.get('iscrowd'))}): {error}"
        ) from error
    if width < 0 or height < 0:
        raise LabelError(
            f"{path}: annotation {name} has a box of negative size: {box!r}",
            hint="A box is [left, top, width, height].",
        )
    images[image_id].annotations.append((name, category, (left, top, width, height), area, crowd))


_CAPTIONS = "It is a file of captions: use it as -t captions:PATH, or name the file of instances for boxes."


def _without_boxes(entry: dict[str, Any]) -> str:
    if "caption" in entry:
        return _CAPTIONS
    if "segmentation" in entry:
        return "It has only an outline: add the box around it as `bbox`, [left, top, width, height]."
    return f"Every object needs `bbox`, [left, top, width, height]; this one has {listing(map(repr, entry))}."


def _category_name(entry: dict[str, Any], path: Path) -> str:
    name = _get(entry, "name", "category", path)
    if isinstance(name, bool) or not isinstance(name, str | int | float):
        raise LabelError(
            f"{path}: the name of category {entry.get('id')!r} is {name!r}, not a text",
            hint="Models get the names of the classes as prompts: give each category a name.",
        )
    return str(name)


def _entries(content: dict[str, Any], key: str, path: Path) -> Iterator[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list):
        annotations = content.get("annotations")
        first = annotations[0] if isinstance(annotations, list) and annotations else None
        raise DataError(
            f"{path}: it has no list of {key!r}",
            hint=_CAPTIONS
            if isinstance(first, dict) and "caption" in first
            else f"It has {', '.join(map(repr, content)) or 'nothing'}.",
        )
    for entry in found:
        if not isinstance(entry, dict):
            raise DataError(f"{path}: {key!r} holds {_short(entry)}, which is not an object")
        yield entry


def _get(entry: dict[str, Any], key: str, kind: str, path: Path) -> Any:
    if key not in entry:
        raise DataError(f"{path}: {kind} {entry.get('id', entry)!r} has no {key!r}")
    return entry[key]


def _integer(entry: dict[str, Any], key: str, path: Path) -> int:
    value = _get(entry, key, "an entry", path)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # tables with missing values write ids in this form
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"{path}: {key!r} must be a whole number, not {_short(value)}")
    if abs(value) > _LARGEST:
        raise DataError(
            f"{path}: {key!r} is {_short(value)}, which does not fit into 64 bits, as evaluators need",
            hint="Give new ids, such as 1, 2, 3.",
        )
    return value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _size(entry: dict[str, Any], path: Path) -> tuple[int, int] | None:
    try:
        return stated_size(entry.get("width"), entry.get("height"))
    except ValueError as error:
        raise DataError(f"{path}: image {entry.get('id')!r} states an impossible size: {error}") from error


def _labels(entry: dict[str, Any], key: str, path: Path) -> tuple[int, ...] | None:
    found = entry.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(label, int) and abs(label) <= _LARGEST for label in found):
        raise DataError(f"{path}: image {entry.get('id')} has {key} {_short(found)}, which is not a list of ids")
    return tuple(found)


def _file_name(entry: dict[str, Any], path: Path) -> str:
    """The image's path. COCO states a file name; LVIS states COCO's address, which ends with the folder and file."""
    if isinstance(entry.get("file_name"), str):
        name = str(entry["file_name"])
        name = name if "/" in name else name.replace("\\", "/")  # Windows' separators
        if not is_below(name) or PureWindowsPath(name).drive:
            raise DataError(
                f"{path}: image {entry.get('id')!r} has the file name {name!r}, which is not a path below the folder "
                "of images",
                hint="Write each `file_name` relative to that folder. A card's source names the folder as `options: "
                "{images: …}`.",
            )
        return name
    if isinstance(entry.get("coco_url"), str):
        return "/".join(PurePosixPath(entry["coco_url"]).parts[-2:])
    raise DataError(f"{path}: image {entry.get('id')!r} has neither 'file_name' nor 'coco_url'")
