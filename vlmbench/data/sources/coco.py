"""The source ``coco``: images with boxes, such as COCO, LVIS, ODinW, or your own in COCO's, VOC's or YOLO's form.

``-t coco:PATH``, ``-t boxes:PATH`` and cards with these kinds use it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.formats.annotation_files import folders_with, strings
from vlmbench.data.formats.boxes.find import FoundBoxes, find_boxes
from vlmbench.data.formats.boxes.plausible import check_boxes_fit
from vlmbench.data.formats.coco_json import AnnotatedImage, Category
from vlmbench.data.formats.coco_outlines import Outlines
from vlmbench.data.formats.folder_walk import subfolders
from vlmbench.data.image_files import ImageFiles, tell_of_missing
from vlmbench.data.labels import TARGET_WORDS, listing, normalise
from vlmbench.errors import DataError, LabelError, NoImagesError, UsageError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import ALIKE_CLASS_NAMES
from vlmbench.wording import counted, either

OPTIONS = ("annotations", "images", "other_classes", "empty_images", "class_names", "format")


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open images with boxes.

    The location is an annotation file of COCO's or LVIS' form, a folder with such a file, or a folder with a label file
    for each image (:mod:`vlmbench.data.formats.boxes.folders`). Samples are in the order of their ids; a sample's id is
    the path of its file. If some listed images are missing, a remark says so; if the first few are all missing, it is
    an error.

    Options:

    - ``annotations``: the annotation file, relative to the folder, or several files, of which the first that exists is
      used. Without this option, there must be one file with a usual name or with the content of an annotation file.
    - ``images``: the folder of the images, relative to the location's folder, or several folders, of which the first
      that has images is used. Without it, images are looked for in that folder, in the folder of the annotation file,
      in the folders in both, and in the folders in a folder ``images``.
    - ``other_classes: drop``: categories that the card does not name are left out, with their boxes. Without it, the
      categories must be the card's classes.
    - ``empty_images: drop``: images without a box of the card's classes are left out.
    - ``class_names: card``: the card renames the categories on purpose, in the order of their ids.
    - ``format``: the format of label files (``xml``, ``txt`` or ``json``), if a folder has several.

    Raises:
        MissingDataError: there is no such folder or file.
        DataError: a file cannot be read or is not complete, or none of the first images exists.
        LabelError: the categories are not the card's classes, a box is not valid, the boxes are written in another
            form, or the task does not need boxes.
    """
    place = f"{spec.kind} {spec.location!r}"
    for option in ("other_classes", "empty_images"):
        if spec.options.get(option, "drop") != "drop":
            raise UsageError(
                f"{place}: `{option}` must be `drop`, not {spec.options[option]!r}", hint="Or leave it out."
            )
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
            f"{place}: {found.path} has no images" + (" with a box of these classes" if found.content.images else "")
        )
    no_images = None
    try:
        folder = found.folder or _image_folder(found.path.parent, found.root, images, spec, found.path)
        tell_of_missing(folder, [image.file for image in images], found.path)
    except NoImagesError as error:
        if not context.images_optional:
            raise
        folder, no_images = found.root, error
    check_boxes_fit(images, folder, found.form, label_of, str(found.path))
    return ImageFiles(
        folder,
        SourceInfo(spec.kind, found.location, split=spec.split),
        [(image.file, _boxes(image, label_of)) for image in images],
        classes,
        found.annotation_files,
        _facts(found, images, label_of),
        no_images,
    )


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


def _labels(
    categories: Sequence[Category], spec: SourceSpec, context: SourceContext, path: Path
) -> tuple[dict[int, int], tuple[str, ...]]:
    """The label of each category id, and the classes in label order, as the data names them."""
    names = [category.name for category in categories]
    if context.class_names is None and not all(name.strip() for name in names):
        raise LabelError(
            f"{spec.kind} {spec.location!r}: a category of {path} has an empty name",
            hint="Models get the names of the classes as prompts: name each category in the file, or in a card's "
            "`classes`.",
        )
    if context.class_names is None and (twice := sorted({name for name in names if names.count(name) > 1})):
        raise LabelError(
            f"{spec.kind} {spec.location!r}: several categories of {path} have the same name: {listing(twice)}",
            hint="A model cannot tell them apart: merge them, or give each a name of its own in a card's `classes`, "
            "with class_names: card.",
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
            hint="Categories are matched by their names. To use only some categories, write `options: {other_classes: "
            "drop}` in the card's source.",
        )
    chosen = [categories[by_name.index(name)] for name in wanted]
    return {category.id: label for label, category in enumerate(chosen)}, tuple(entry.name for entry in chosen)


def _tell_of_alike(names: Sequence[str], path: Path) -> None:
    """Make a remark about names that are equal after :func:`normalise`: they may be one class, spelt in two ways."""
    same: dict[str, list[str]] = {}
    for name in names:
        same.setdefault(normalise(name), []).append(name)
    if alike := [own for own in same.values() if len(set(own)) > 1]:
        count = len(alike)
        say(
            ALIKE_CLASS_NAMES,
            f"{counted(count, 'class name')} of {path} {either(count, 'is', 'are')} spelt in several ways, which "
            "differ only in letter case, spaces, hyphens or underscores, and each spelling counts as a class",
            brief=f"{counted(count, 'class name')} spelt in several ways",
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


def _facts(found: FoundBoxes, images: Sequence[AnnotatedImage], label_of: dict[int, int]) -> BoxFacts:
    ids = {label: category for category, label in label_of.items()}
    image_ids = tuple(image.id for image in images)
    frequency = {category.id: category.frequency for category in found.content.categories}
    frequencies = [frequency[ids[label]] for label in range(len(ids))]
    federated = all(image.absent is not None and image.partial is not None for image in images)

    def chosen(categories: tuple[int, ...] | None) -> tuple[int, ...]:
        return tuple(label_of[category] for category in categories or () if category in label_of)

    return BoxFacts(
        image_ids=image_ids,
        category_ids=tuple(ids[label] for label in range(len(ids))),
        frequencies=tuple(map(str, frequencies)) if None not in frequencies else None,
        absent=tuple(chosen(image.absent) for image in images) if federated else None,
        partial=tuple(chosen(image.partial) for image in images) if federated else None,
        sizes=tuple(image.size for image in images),
        image_ids_stated=found.is_one_file,
        category_ids_stated=found.is_one_file or found.form == "cxcywh",  # YOLO's label files number the classes
        outlines=Outlines(found.path, image_ids, label_of) if found.coco else None,
    )


def _image_folder(beside: Path, root: Path, images: Sequence[AnnotatedImage], spec: SourceSpec, path: Path) -> Path:
    if "images" in spec.options:
        places = [Path(os.path.normpath(root / name)) for name in strings(spec, "images")]
    else:
        # If the file is in a folder of annotations, the images are often beside that folder, as CVAT's images/default.
        around = dict.fromkeys((root, beside, *([beside.parent] if beside.name == "annotations" else [])))
        below = list(dict.fromkeys(near / name for near in around for name in subfolders(near)))
        places = [
            *around,
            *below,
            *(folder / name for folder in below if folder.name == "images" for name in subfolders(folder)),
        ]
    if found := folders_with([image.file for image in images], places):
        return found[0]
    raise NoImagesError(
        f"{spec.kind} {spec.location!r}: {path} lists {counted(len(images), 'image')}, but the first ones, such as "
        f"{images[0].file!r}, were not found",
        hint=f"Looked in {listing(map(str, places))}.",
    )
