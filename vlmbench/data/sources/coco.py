"""Images with boxes: COCO itself, LVIS, ODinW, and whatever annotation tools export in COCO's, VOC's or YOLO's form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.formats.annotation_files import folders_with, strings
from vlmbench.data.formats.boxes.find import find_boxes
from vlmbench.data.formats.boxes.plausible import check_boxes_fit
from vlmbench.data.formats.coco_json import AnnotatedImage, AnnotationFile, Category
from vlmbench.data.formats.folder_walk import subfolders
from vlmbench.data.image_files import ImageFiles, tell_of_missing
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.errors import DataError, LabelError, UsageError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import ALIKE_CLASS_NAMES

OPTIONS = ("annotations", "images", "other_classes", "empty_images", "class_names", "format")


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open images with boxes: an annotation file of COCO's or LVIS' form and its folder of images, or a folder with a
    label file for each image (:mod:`vlmbench.data.formats.boxes.folders`).

    The location is the folder, or the annotation file itself. Samples are in the order of their ids, and each is named
    by its file. A listed image that is not there is found out when it is read; when the first few are all missing,
    here. Options:

    - ``annotations``: the file, relative to the folder, or a list of which the first that is there counts. Without it
      there must be just one file that is named like one, or that is one.
    - ``images``: the folder of the images, relative to the location's, or a list of which the first with images counts.
      Without it: the folder, that of the annotations, the folders in both, and those in a folder ``images``.
    - ``other_classes: drop``: categories that the card does not name are left out, with their boxes. Otherwise the
      categories must be the card's.
    - ``empty_images: drop``: images without a box of the card's classes are left out.
    - ``class_names: card``: the card renames the categories on purpose, in the order of their ids.
    - ``format``: of label files, one an image: ``xml``, ``txt`` or ``json``, where a folder has several.

    Raises:
        MissingDataError: there is no such folder or file.
        DataError: the file cannot be read or lacks what it must have, or none of the first images is there.
        LabelError: its categories are not the card's, a box is not valid, boxes are written in another form, or the
            task does not need boxes.
    """
    place = f"{spec.kind} {spec.location!r}"
    for option in ("other_classes", "empty_images"):
        if spec.options.get(option, "drop") != "drop":
            raise UsageError(f"{place}: `{option}` may be `drop` or left out, not {spec.options[option]!r}")
    if context.target != "boxes":
        raise LabelError(
            f"{place}: it has boxes, but the task needs {TARGET_WORDS[context.target]}",
            hint="Use a detection task for it.",
        )
    found = find_boxes(spec, context)
    label_of, classes = _labels(found.content.categories, spec, context, found.path)
    images = [image for image in found.content.images if not _dropped(image, label_of, spec)]
    if not images:
        raise DataError(
            f"{place}: {found.path} has no image" + (" with a box of these classes" if found.content.images else "")
        )
    folder = found.folder or _image_folder(found.path.parent, found.root, images, spec, found.path)
    tell_of_missing(folder, [image.file for image in images], found.path)
    check_boxes_fit(images, folder, found.form, label_of, str(found.path))
    return ImageFiles(
        folder,
        SourceInfo(spec.kind, found.location, split=spec.split),
        [(image.file, _boxes(image, label_of)) for image in images],
        classes,
        found.said_by,
        _facts(found.content, images, label_of),
    )


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


def _labels(
    categories: Sequence[Category], spec: SourceSpec, context: SourceContext, path: Path
) -> tuple[dict[int, int], tuple[str, ...]]:
    """Category ids to labels, and the classes as the data names them, in label order."""
    names = [category.name for category in categories]
    if context.class_names is None and not all(name.strip() for name in names):
        raise LabelError(
            f"{spec.kind} {spec.location!r}: a category of {path} has an empty name",
            hint="Models are asked by the names of classes: give each category one, there or in a card's `classes`.",
        )
    if context.class_names is None and (twice := sorted({name for name in names if names.count(name) > 1})):
        raise LabelError(
            f"{spec.kind} {spec.location!r}: several categories of {path} have one name: {listing(twice)}",
            hint="No model can tell them apart: merge them, or name each in a card's `classes` (class_names: card).",
        )
    if context.class_names is None:
        _tell_of_alike(names, path)
    if context.class_names is None or spec.options.get("class_names") == "card":
        return {category.id: label for label, category in enumerate(categories)}, tuple(names)
    by_name = names if len({*map(normalise, names)}) < len(names) else [normalise(name) for name in names]
    wanted = context.class_names if by_name is names else tuple(map(normalise, context.class_names))
    lost = [own for own, name in zip(context.class_names, wanted, strict=True) if by_name.count(name) != 1]
    others = [category.name for category, name in zip(categories, by_name, strict=True) if name not in wanted]
    if lost or (others and spec.options.get("other_classes") != "drop"):
        what = [f"not in the data: {listing(lost)}"] if lost else []
        what += [f"not in the card: {listing(others)}"] if others else []
        raise LabelError(
            f"{spec.kind} {spec.location!r}: the categories of {path} are not the card's classes ({'; '.join(what)})",
            hint="Classes are found by their names. A card that wants some of the categories only says "
            "`options: {other_classes: drop}`.",
        )
    chosen = [categories[by_name.index(name)] for name in wanted]
    return {category.id: label for label, category in enumerate(chosen)}, tuple(entry.name for entry in chosen)


def _tell_of_alike(names: Sequence[str], path: Path) -> None:
    """Names that differ in what :func:`~vlmbench.data.labels.normalise` takes away may be one class, spelt twice."""
    same: dict[str, list[str]] = {}
    for name in names:
        same.setdefault(normalise(name), []).append(name)
    if alike := [own for own in same.values() if len(set(own)) > 1]:
        count = len(alike)
        say(
            ALIKE_CLASS_NAMES,
            f"{count:,} class{'es' * (count != 1)} of {path} {'has names' if count == 1 else 'have names'} that differ "
            "in case, blanks, hyphens or underscores alone, and count as different classes",
            brief=f"{count:,} class{'es' * (count != 1)} spelt twice",
            count=count,
            examples=(" and ".join(map(repr, own)) for own in alike),
        )


def _dropped(image: AnnotatedImage, label_of: dict[int, int], spec: SourceSpec) -> bool:
    return spec.options.get("empty_images") == "drop" and not _boxes(image, label_of)


def _boxes(image: AnnotatedImage, label_of: dict[int, int]) -> tuple[Box, ...]:
    return tuple(
        Box(label_of[category], xywh, area, crowd, name)
        for name, category, xywh, area, crowd in image.annotations
        if category in label_of
    )


def _facts(found: AnnotationFile, images: Sequence[AnnotatedImage], label_of: dict[int, int]) -> BoxFacts:
    ids = {label: category for category, label in label_of.items()}
    frequency = {category.id: category.frequency for category in found.categories}
    frequencies = [frequency[ids[label]] for label in range(len(ids))]
    federated = all(image.absent is not None and image.partial is not None for image in images)

    def chosen(categories: tuple[int, ...] | None) -> tuple[int, ...]:
        return tuple(label_of[category] for category in categories or () if category in label_of)

    return BoxFacts(
        image_ids=tuple(image.id for image in images),
        category_ids=tuple(ids[label] for label in range(len(ids))),
        frequencies=tuple(map(str, frequencies)) if None not in frequencies else None,
        absent=tuple(chosen(image.absent) for image in images) if federated else None,
        partial=tuple(chosen(image.partial) for image in images) if federated else None,
        sizes=tuple(image.size for image in images),
    )


def _image_folder(beside: Path, root: Path, images: Sequence[AnnotatedImage], spec: SourceSpec, path: Path) -> Path:
    if "images" in spec.options:
        places = [Path(os.path.normpath(root / name)) for name in strings(spec, "images")]
    else:
        # Of a file in a folder of annotations, the images are often beside that folder: CVAT's images/default.
        around = dict.fromkeys((root, beside, *([beside.parent] if beside.name == "annotations" else [])))
        below = list(dict.fromkeys(near / name for near in around for name in subfolders(near)))
        places = [
            *around,
            *below,
            *(folder / name for folder in below if folder.name == "images" for name in subfolders(folder)),
        ]
    if found := folders_with([image.file for image in images], places):
        return found[0]
    raise DataError(
        f"{spec.kind} {spec.location!r}: {path} lists {len(images):,} images, but {images[0].file!r} and the next "
        "are not there",
        hint=f"Looked in {listing(map(str, places))}.",
    )
