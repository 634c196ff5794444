"""The PASCAL VOC devkit: photographs with the classes or the boxes in them, or every annotated object cut out."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.formats import netpbm
from vlmbench.data.formats.pixels import decode_rgb, say_facts
from vlmbench.data.image_files import ImageFiles, read_file
from vlmbench.data.labels import listing
from vlmbench.data.location import Place, existing_places, exists, files_state, is_below, missing, read_text
from vlmbench.errors import BadSampleError, DataError, LabelError
from vlmbench.files import MOST_TEXT_BYTES, read_bytes

T = TypeVar("T")

DEFAULT_SPLIT = "test"
_LISTS = "ImageSets/Main"
_PRESENT = {"-1": False, "0": True, "1": True}
"""What the lists say of a class: absent, present but only in objects marked difficult, present."""


@dataclass(frozen=True)
class _Box:
    """An object's bounding box in its image: left, top, right, bottom."""

    image: str
    corners: tuple[int, int, int, int]


@dataclass(eq=False)
class VocObjects:
    """Annotated objects, each cut out of its photograph when it is read."""

    root: Path
    info: SourceInfo
    boxes: Sequence[_Box]
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        """The crop as a PPM file; see :meth:`vlmbench.data.base.ImageDataset.read`."""
        box, sample = self.boxes[index], self.samples[index]
        data = read_file(_photograph(self.root, box.image), sample.id)
        photograph = decode_rgb(data, sample.id, lambda turn: turn.shows(_size(self.root, box.image)) is not False)
        say_facts(photograph.facts, sample.id)
        crop = photograph.image.crop(box.corners)
        if 0 in crop.size:
            raise BadSampleError(sample.id, f"its box {box.corners} is empty")
        return netpbm.encode(crop)

    def state(self) -> str:
        places = zip(self.samples, self.boxes, strict=True)
        return files_state(
            (f"{sample.id}\0{sample.target}", _photograph(self.root, box.image)) for sample, box in places
        )


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a split (``test`` if the card names none) of ``<location>/{JPEGImages,ImageSets,Annotations}``.

    For a task of several classes an image: the photographs, with the classes of ``ImageSets/Main/<class>_<split>.txt``.
    For a task of one class: every object of ``Annotations/<image>.xml``, cut out at its box. Both as CLIP_benchmark's
    voc2007.py has them and thus as the hub does: objects marked difficult count like any other, and boxes, which count
    from 1, are passed to Pillow's crop, which counts from 0, as they are.

    For a task of boxes: the photographs with the objects of ``Annotations/<image>.xml``. Corners are pixels that belong
    to the object, counted from 1, so a box is (left - 1, top - 1, right - left + 1, bottom - top + 1). Objects marked
    difficult are crowds: never a miss, and what is found there is no mistake.

    Raises:
        MissingDataError: the split is in none of the places.
        DataError: files that it needs are missing or damaged.
        LabelError: its classes are not the card's, or the task needs captions.
    """
    place = f"{spec.kind} {spec.location!r}"
    split = spec.split or DEFAULT_SPLIT
    found = _find(spec, context, split)
    info = SourceInfo(spec.kind, found.location, split=split)
    root = found.path
    if context.target == "captions":
        raise LabelError(f"{place}: it has no captions")
    if not exists(root / "JPEGImages"):
        raise DataError(f"{place}: {root} has the lists of {split!r}, but no folder JPEGImages")
    classes = _classes(root, split, context, place)
    images = [line[0] for line in _table(root / _LISTS / f"{split}.txt", columns=1)]
    if context.target == "classes":
        photographs = [
            (f"JPEGImages/{image}.jpg", target) for image, target in _present(root, split, classes, images).items()
        ]
        return ImageFiles(root, info, photographs, classes)
    label_of = {name: label for label, name in enumerate(classes)}
    if context.target == "boxes":
        return ImageFiles(
            root / "JPEGImages",
            info,
            [(f"{image}.jpg", _boxes(root, image, label_of)) for image in images],
            classes,
            [root / "Annotations" / f"{image}.xml" for image in images],
            BoxFacts(
                tuple(range(1, len(images) + 1)),
                tuple(range(1, len(classes) + 1)),
                size_of=lambda index: _size(root, images[index]),
            ),
        )
    objects = [found for image in images for found in _objects(root, image, label_of)]
    samples = [
        Sample(f"{box.image}/{','.join(map(str, box.corners))}/{number}", label)
        for number, (box, label) in enumerate(objects)
    ]
    return VocObjects(root, info, [box for box, _ in objects], samples, classes)


SOURCE = Source(open_source, other_locations=True, split=True)


def _find(spec: SourceSpec, context: SourceContext, split: str) -> Place:
    """The first place with a list of the split for one of the classes: other datasets come in this layout too."""
    for place in existing_places(spec, context):
        lists = place.path / _LISTS
        found = {path.name.removesuffix(f"_{split}.txt") for path in lists.glob(f"*_{split}.txt")}
        if found & set(context.class_names if context.class_names is not None else found):
            return place
    layouts = [
        str(PurePosixPath(name) / _LISTS / f"<class>_{split}.txt") for name in (spec.location, *spec.other_locations)
    ]
    raise missing(spec, context, looked_for=layouts)


def _photograph(root: Path, image: str) -> Path:
    return root / "JPEGImages" / f"{image}.jpg"


def _classes(root: Path, split: str, context: SourceContext, place: str) -> tuple[str, ...]:
    """The card's classes, or the sorted ones of the devkit; each has a list there, and no other has."""
    ending = f"_{split}.txt"
    found = sorted(path.name.removesuffix(ending) for path in (root / _LISTS).glob(f"*{ending}"))
    expected = context.class_names if context.class_names is not None else tuple(found)
    if different := sorted(set(found) ^ set(expected)):
        raise LabelError(
            f"{place}: the classes of {root / 'ImageSets' / 'Main'}/<class>{ending} are not the card's "
            f"(only in one of them: {listing(different)})"
        )
    return expected


def _present(root: Path, split: str, classes: Sequence[str], images: Sequence[str]) -> dict[str, tuple[int, ...]]:
    present: dict[str, list[int]] = {image: [] for image in images}
    for label, name in enumerate(classes):
        file = root / _LISTS / f"{name}_{split}.txt"
        lines = _table(file, columns=2)
        if len(lines) != len(images) or {image for image, _ in lines} != set(images):
            raise DataError(f"{file} does not list the {len(images)} images of {split}.txt")
        for image, flag in lines:
            if flag not in _PRESENT:
                raise LabelError(f"{file}: image {image} has {flag!r}, which is none of {', '.join(_PRESENT)}")
            if _PRESENT[flag]:
                present[image].append(label)
    return {image: tuple(labels) for image, labels in present.items()}


def _table(file: Path, *, columns: int) -> list[list[str]]:
    lines = [line.split() for line in read_text(file).splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{file} is empty")
    if outside := [line[0] for line in lines if not is_below(line[0])]:
        raise DataError(f"{file} lists what is not below its folder: {listing(outside)}")
    for number, line in enumerate(lines, 1):
        if len(line) != columns:
            raise DataError(f"{file}: line {number} has {len(line)} words, not {columns}")
    return lines


def _objects(root: Path, image: str, label_of: dict[str, int]) -> list[tuple[_Box, int]]:
    file = root / "Annotations" / f"{image}.xml"
    return _of_each(file, label_of, lambda node, label: (_Box(image, _whole(_corners(node))), label))


def _size(root: Path, image: str) -> tuple[int, int] | None:
    """What an annotation states as its photograph's size, which now and then is wrong; None if it states none."""
    file = root / "Annotations" / f"{image}.xml"
    try:
        node = ET.fromstring(read_bytes(file, most=MOST_TEXT_BYTES))
        width, height = (int(node.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except (OSError, ET.ParseError, ValueError):  # told of when its objects are read
        return None
    return (width, height) if width > 0 and height > 0 else None


def _boxes(root: Path, image: str, label_of: dict[str, int]) -> tuple[Box, ...]:
    found = _of_each(root / "Annotations" / f"{image}.xml", label_of, _box)
    return tuple(replace(box, id=number) for number, box in enumerate(found, 1))


def _box(node: ET.Element, label: int) -> Box:
    left, top, right, bottom = (float(corner) for corner in _corners(node))
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError("a box of numbers that are not finite")
    width, height = right - left + 1, bottom - top + 1
    return Box(label, (left - 1, top - 1, width, height), width * height, node.findtext("difficult") == "1")


def _of_each(file: Path, label_of: dict[str, int], made: Callable[[ET.Element, int], T]) -> list[T]:
    found = []
    try:
        for node in ET.fromstring(read_bytes(file, most=MOST_TEXT_BYTES)).findall("object"):
            name = node.findtext("name")
            if name is None:
                raise ValueError("an object without a name or a whole box")
            if name not in label_of:
                raise LabelError(f"{file}: {name!r} is no class of the card")
            found.append(made(node, label_of[name]))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ET.ParseError, ValueError, OverflowError) as error:
        raise DataError(f"{file} is damaged: {error}") from error
    return found


def _corners(node: ET.Element) -> list[str]:
    corners = [node.findtext(f"bndbox/{corner}") for corner in ("xmin", "ymin", "xmax", "ymax")]
    if None in corners:
        raise ValueError("an object without a name or a whole box")
    return [corner or "" for corner in corners]


def _whole(corners: list[str]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(float(corner)) for corner in corners)  # some years have decimals
    return left, top, right, bottom
