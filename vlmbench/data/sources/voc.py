"""The source ``voc``: the PASCAL VOC devkit, as photographs with classes or boxes, or as crops of annotated objects.

``-t voc:PATH`` and cards with ``kind: voc`` use it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.formats import netpbm
from vlmbench.data.formats.boxes.voc_xml import VocObject, read_voc_xml
from vlmbench.data.formats.folder_walk import scan
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.pixels import decode_rgb, say_facts
from vlmbench.data.image_files import ImageFiles, read_file, tell_of_missing
from vlmbench.data.labels import listing
from vlmbench.data.location import Place, existing_places, exists, files_state, is_below, missing, read_text
from vlmbench.errors import BadSampleError, DataError, LabelError, NoImagesError
from vlmbench.wording import counted, listed

DEFAULT_SPLIT = "test"
_LISTS = "ImageSets/Main"
_PRESENT = {"-1": False, "0": True, "1": True}
"""Whether a class is in an image, by its flag in a list: -1 absent, 0 only in objects marked difficult, 1 present."""


@dataclass(frozen=True)
class _Box:
    """An object's bounding box in its image: left, top, right, bottom."""

    image: str
    corners: tuple[int, int, int, int]


@dataclass(eq=False)
class VocObjects:
    """Annotated objects. Each is cut out of its photograph when it is read."""

    root: Path
    info: SourceInfo
    boxes: Sequence[_Box]
    names: Mapping[str, str]
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        """The crop as a PPM file; see :meth:`vlmbench.data.base.ImageDataset.read`."""
        box, sample = self.boxes[index], self.samples[index]
        data = read_file(self._photograph(box), sample.id)
        photograph = decode_rgb(data, sample.id, lambda turn: turn.shows(_size(self.root, box.image)) is not False)
        say_facts(photograph.facts, sample.id)
        crop = photograph.image.crop(box.corners)
        if 0 in crop.size:
            raise BadSampleError(sample.id, f"its box {box.corners} is empty")
        return netpbm.encode(crop)

    def state(self) -> str:
        places = zip(self.samples, self.boxes, strict=True)
        return files_state((f"{sample.id}\0{sample.target}", self._photograph(box)) for sample, box in places)

    def _photograph(self, box: _Box) -> Path:
        return self.root / "JPEGImages" / self.names[box.image]


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a split (``test`` by default) of ``<location>/{JPEGImages,ImageSets,Annotations}``.

    The samples depend on the task's target:

    - several classes per image: the photographs, with the classes of ``ImageSets/Main/<class>_<split>.txt``;
    - one class: every object of ``Annotations/<image>.xml``, cut out at its box;
    - boxes: the photographs, with the objects of ``Annotations/<image>.xml``. Corners are pixels of the object, counted
      from 1, so a box is (left - 1, top - 1, right - left + 1, bottom - top + 1). Objects marked difficult are crowds:
      they never count as a miss, and a detection in them never counts as a mistake.

    The first two follow CLIP_benchmark's voc2007.py and the datasets on the hub that were made with it: objects marked
    difficult count like any other, and corners, which are counted from 1, are given unchanged to Pillow's crop, which
    counts from 0.

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
    no_images = None
    if not exists(root / "JPEGImages"):
        no_images = NoImagesError(f"{place}: {root} has the lists of {split!r}, but no folder JPEGImages")
        if not context.images_optional or context.target == "class":  # the latter needs pixels to cut objects out
            raise no_images
    classes = _classes(root, split, context, place)
    images = [line[0] for line in _table(root / _LISTS / f"{split}.txt", columns=1)]
    names = _photographs(root, images) if no_images is None else {image: f"{image}.jpg" for image in images}
    if context.target == "classes":
        photographs = [
            (f"JPEGImages/{names[image]}", target) for image, target in _present(root, split, classes, images).items()
        ]
        return ImageFiles(root, info, photographs, classes, no_images=no_images)
    label_of = {name: label for label, name in enumerate(classes)}
    if context.target == "boxes":
        return ImageFiles(
            root / "JPEGImages",
            info,
            [(names[image], _boxes(root, image, label_of)) for image in images],
            classes,
            [root / "Annotations" / f"{image}.xml" for image in images],
            BoxFacts(
                tuple(range(1, len(images) + 1)),
                tuple(range(1, len(classes) + 1)),
                size_of=lambda index: _size(root, images[index]),
                image_ids_stated=False,
                category_ids_stated=False,
            ),
            no_images,
        )
    objects = [found for image in images for found in _objects(root, image, label_of)]
    samples = [
        Sample(f"{box.image}/{','.join(map(str, box.corners))}/{number}", label)
        for number, (box, label) in enumerate(objects)
    ]
    return VocObjects(root, info, [box for box, _ in objects], names, samples, classes)


SOURCE = Source(open_source, other_locations=True, split=True)


def _find(spec: SourceSpec, context: SourceContext, split: str) -> Place:
    """The first place that has a list of the split for one of the classes: other datasets also have this layout."""
    for place in existing_places(spec, context):
        lists = place.path / _LISTS
        found = {path.name.removesuffix(f"_{split}.txt") for path in lists.glob(f"*_{split}.txt")}
        if found & set(context.class_names if context.class_names is not None else found):
            return place
    layouts = [
        str(PurePosixPath(name) / _LISTS / f"<class>_{split}.txt") for name in (spec.location, *spec.other_locations)
    ]
    raise missing(spec, context, looked_for=layouts)


def _photographs(root: Path, images: Sequence[str]) -> dict[str, str]:
    """The file of every listed image: ``.jpg`` as in the devkit, or else an image of the same name with another ending.

    A missing image keeps the devkit's name, and a remark is made.
    """
    folder = root / "JPEGImages"
    there = {entry.name for entry in scan(folder)}
    others = {os.path.splitext(name)[0]: name for name in sorted(there, reverse=True) if is_image_name(name)}
    usual = {image: f"{image}.jpg" for image in dict.fromkeys(images)}
    if any("/" in image for image in usual):  # folders below JPEGImages are not searched
        return usual
    names = {image: name if name in there else others.get(image, name) for image, name in usual.items()}
    tell_of_missing(folder, list(names.values()), root / _LISTS)
    return names


def _classes(root: Path, split: str, context: SourceContext, place: str) -> tuple[str, ...]:
    """The card's classes, or else the sorted classes of the devkit. Both must be the same set."""
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
                raise LabelError(f"{file}: image {image} has the flag {flag!r}, not {listed([*_PRESENT], 'or')}")
            if _PRESENT[flag]:
                present[image].append(label)
    return {image: tuple(labels) for image, labels in present.items()}


def _table(file: Path, *, columns: int) -> list[list[str]]:
    lines = [line.split() for line in read_text(file).splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{file} is empty")
    if outside := [line[0] for line in lines if not is_below(line[0])]:
        raise DataError(f"{file} lists names that are not below the folder of images: {listing(outside)}")
    for number, line in enumerate(lines, 1):
        if len(line) != columns:
            raise DataError(f"{file}: line {number} has {counted(len(line), 'word')}, not {columns}")
    return lines


def _objects(root: Path, image: str, label_of: dict[str, int]) -> list[tuple[_Box, int]]:
    return [(_Box(image, _whole(found.corners)), label) for found, label in _labelled(root, image, label_of)]


def _size(root: Path, image: str) -> tuple[int, int] | None:
    """The size of a photograph that its annotation states, which is sometimes wrong; None if it states no size."""
    return read_voc_xml(root / "Annotations" / f"{image}.xml").size


def _boxes(root: Path, image: str, label_of: dict[str, int]) -> tuple[Box, ...]:
    return tuple(
        Box(label, found.xywh, found.xywh[2] * found.xywh[3], found.difficult, number)
        for number, (found, label) in enumerate(_labelled(root, image, label_of), 1)
    )


def _labelled(root: Path, image: str, label_of: dict[str, int]) -> list[tuple[VocObject, int]]:
    file = root / "Annotations" / f"{image}.xml"
    found = read_voc_xml(file).objects
    for item in found:
        if item.name not in label_of:
            raise LabelError(f"{file}: {item.name!r} is not a class of the card")
    return [(item, label_of[item.name]) for item in found]


def _whole(corners: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    left, top, right, bottom = map(round, corners)  # the annotations of some years have decimals
    return left, top, right, bottom
