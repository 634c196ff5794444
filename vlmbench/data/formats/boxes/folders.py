"""Reads a folder of images with one label file per image, of VOC's, YOLO's or LabelMe's form.

The result has the same type as that of a COCO file, so that the source :mod:`vlmbench.data.sources.coco` reads all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.formats.boxes.labelme import read_labelme
from vlmbench.data.formats.boxes.pairing import (
    FORMATS,
    Key,
    LabelledFolder,
    image_lists,
    look_into,
    of_split,
    splits,
    without_labels,
)
from vlmbench.data.formats.boxes.sizes import upright_size
from vlmbench.data.formats.boxes.voc_xml import VocObject, read_voc_xml
from vlmbench.data.formats.boxes.yolo import YoloNames, read_names, read_yolo_labels
from vlmbench.data.formats.coco_json import AnnotatedImage, AnnotationFile, Category
from vlmbench.data.labels import listing
from vlmbench.data.location import argument, one_of, read_text
from vlmbench.errors import DataError, LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import EMPTY_REGIONS, UNLABELLED_IMAGES
from vlmbench.wording import counted, either
from vlmbench.wording import listed as in_one_phrase

_ABOVE = 2
"""The list of class names may be up to this many folders above the named one, such as ``ROOT/images/val``."""
_MOSTLY = 0.5
"""If more than this part of the images have no label file, it is a remark."""
_UNKNOWN_SIZE = (1, 1)
"""Used in place of the size of an image that cannot be read. Its boxes do not matter: it becomes a bad sample."""
Objects = Sequence[tuple[int, tuple[float, float, float, float], bool]]
"""The objects of one image: category id, (left, top, width, height), and whether the object is marked difficult."""


@dataclass(frozen=True)
class FolderOfBoxes:
    """The boxes that were read from a folder.

    Attributes:
        root: the folder to which the images' paths are relative.
        content: the images and their boxes.
        annotation_files: the label files.
        format: the name of their format.
    """

    root: Path
    content: AnnotationFile
    annotation_files: Sequence[Path]
    format: str


def read_folder(
    root: Path, place: str, kind: str, *, listed: Path | None, split: str | None, format_: str | None
) -> FolderOfBoxes:
    """Read the images below a folder with their boxes.

    Args:
        place: the source, for messages.
        kind: the source's name, for the command in hints.
        listed: a file in ``ImageSets`` that lists the images to use; None: there is no such file.
        split: use only the images in a folder of this name, or in the list of this split; None: there must be one
            split.
        format_: the ending of the label files to use (``xml``, ``txt`` or ``json``), if there are several formats.

    Raises:
        DataError: there are no label files, several formats, or several splits; or a file cannot be read.
        LabelError: a label file states an impossible value.
    """
    found = look_into(root, place)
    suffix = _format(found, place, format_)
    images = _of_one_split(found, place, kind, split, listed)
    labels = found.labels[suffix]
    labels = labels if suffix == ".txt" else _by_stated_name(labels, images, suffix)
    read = _READERS[suffix](found, images, labels, place)
    for key, file in labels.items():
        if key not in found.images:
            found.passed.add("of labels without an image", _shown(file, root))
    for other, files in found.labels.items():
        for file in files.values() if other != suffix else ():
            found.passed.add("of labels in another format", _shown(file, root))
    found.passed.say(place)
    used = [file for key, file in labels.items() if key in images]
    return FolderOfBoxes(root, read, used, FORMATS[suffix])


_READ = (
    "Known are a JSON file of COCO's form, VOC XML files, YOLO text files with data.yaml or classes.txt, and LabelMe "
    "JSON files. They lie beside the images, or in folders named images and labels (or annotations). For masks, use "
    "masks:PATH."
)
_CVATS_OWN = (
    "The file annotations.xml seems to have CVAT's own form, which vlmbench does not read: export the task as COCO "
    "1.0, PASCAL VOC 1.1 or YOLO."
)


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else f"{file.parent.name}/{file.name}"


def _format(found: LabelledFolder, place: str, asked: str | None) -> str:
    fitting = [suffix for suffix, files in found.labels.items() if files and (asked is None or suffix == f".{asked}")]
    if len(fitting) == 1 and found.images:
        return fitting[0]
    what = [counted(len(found.images), "image")]
    what += [f"{counted(len(files), 'file')} of {FORMATS[suffix]}" for suffix, files in sorted(found.labels.items())]
    what += [f"{count:,} other {suffix or 'files'}" for suffix, count in found.passed.suffixes.most_common(3)]
    if len(fitting) > 1:
        raise DataError(
            f"{place}: {found.root} has boxes in several formats: {in_one_phrase(what)}",
            hint="Move the files of all other formats away, or name the format in a card's source, as options: "
            "{format: xml} (or txt, or json).",
        )
    raise DataError(
        f"{place}: {found.root} has no annotations of boxes, but {in_one_phrase(what)}",
        hint=_CVATS_OWN if (found.root / "annotations.xml").is_file() else _READ,
    )


def _of_one_split(
    found: LabelledFolder, place: str, kind: str, split: str | None, listed: Path | None
) -> dict[Key, str]:
    lists = [listed] if listed is not None else image_lists(found.root)
    lists = [file for file in lists if split is None or file.stem == split] or lists
    there = splits(found.images.values())
    if split in there:
        return of_split(found.images, split or "")
    if len(lists) == 1:
        return _of_list(found, lists[0], alone=listed is None and split is None)
    if split is not None and not (lists and all(file.stem == split for file in lists)):
        raise DataError(
            f"{place}: {found.root} has no images in a folder named {split!r}, and no list of the split {split!r}"
        )
    ways = [file.relative_to(found.root).as_posix() for file in lists] if lists else list(there.values())
    if len(ways) > 1:
        names = [file.stem for file in lists] if lists else list(there)
        several = "splits" if len(set(names)) == len(names) else "datasets"
        raise DataError(
            f"{place}: {found.root} holds several {several}: {listing(names if several == 'splits' else ways)}",
            hint=f"Name one: {one_of([argument(kind, found.root / way) for way in ways])}.",
        )
    return found.images


def _of_list(found: LabelledFolder, file: Path, *, alone: bool) -> dict[Key, str]:
    """The images that a list names.

    Args:
        alone: it is the only list, and no split was named: then the other images are counted as passed over.
    """
    wanted = set(read_text(file).split())
    if unknown := sorted(wanted - {key[-1] for key in found.images}):
        raise DataError(
            f"{file}: {len(unknown):,} of the {len(wanted):,} images that it lists "
            f"{either(len(unknown), 'is', 'are')} missing: {listing(unknown)}"
        )
    if alone:
        for key, path in found.images.items():
            if key[-1] not in wanted:
                found.passed.add(f"not listed in {file.name}", path)
    return {key: path for key, path in found.images.items() if key[-1] in wanted}


def _by_stated_name(labels: Mapping[Key, Path], images: Mapping[Key, str], suffix: str) -> dict[Key, Path]:
    """Label files by their images: the image of the same name, or else the image that the label file names."""
    by_name: dict[str, list[Key]] = {}
    for key, path in images.items():
        by_name.setdefault(path.rpartition("/")[2], []).append(key)
    result = {}
    for key, file in labels.items():
        if key not in images:
            stated = read_voc_xml(file).filename if suffix == ".xml" else read_labelme(file).filename
            named = by_name.get(stated, [])
            key = named[0] if len(named) == 1 and named[0] not in labels else key
        result[key] = file
    return result


def _read_voc(
    found: LabelledFolder, images: Mapping[Key, str], labels: Mapping[Key, Path], place: str
) -> AnnotationFile:
    read = {key: read_voc_xml(file) for key, file in labels.items() if key in images}
    every = [item for annotation in read.values() for item in annotation.objects]
    # The devkit counts pixels from 1. If a corner is at 0 or has decimals, the tool counted from 0.
    edges = any(min(item.corners[:2]) < 1 or any(x % 1 for x in item.corners) for item in every)
    box = _between_edges if edges else lambda item: item.xywh
    ids, categories = _numbered(item.name for item in every)
    objects = {
        key: [(ids[item.name], box(item), item.difficult) for item in annotation.objects]
        for key, annotation in read.items()
    }
    without_labels([path for key, path in images.items() if key not in read], found.passed)
    return _annotation_file(images, objects, {key: entry.size for key, entry in read.items()}, categories)


def _between_edges(item: VocObject) -> tuple[float, float, float, float]:
    left, top, right, bottom = item.corners
    return left, top, right - left, bottom - top


def _read_labelme(
    found: LabelledFolder, images: Mapping[Key, str], labels: Mapping[Key, Path], place: str
) -> AnnotationFile:
    read = {key: read_labelme(file) for key, file in labels.items() if key in images}
    without_labels([path for key, path in images.items() if key not in read], found.passed)
    if lost := sum(entry.without_extent for entry in read.values()):
        say(
            EMPTY_REGIONS,
            f"{counted(lost, 'shape')} of {place} {either(lost, 'is a point or a line', 'are points or lines')}, which "
            f"have no box, and {either(lost, 'was', 'were')} left out",
            brief=f"{counted(lost, 'shape')} without a box",
            count=lost,
            examples=(images[key] for key, entry in read.items() if entry.without_extent),
        )
    ids, categories = _numbered(item.name for entry in read.values() for item in entry.objects)
    objects = {key: [(ids[item.name], item.xywh, False) for item in entry.objects] for key, entry in read.items()}
    return _annotation_file(images, objects, {key: entry.size for key, entry in read.items()}, categories)


def _read_yolo(
    found: LabelledFolder, images: Mapping[Key, str], labels: Mapping[Key, Path], place: str
) -> AnnotationFile:
    names = _names(found, place)
    sizes = {key: upright_size(found.root / path) for key, path in images.items()}
    objects: dict[Key, Objects] = {key: [] for key in images}
    for key, file in labels.items():
        if key not in images:
            continue
        lines = read_yolo_labels(file, len(names.names), keypoints=names.keypoints)
        size = sizes[key] or _UNKNOWN_SIZE
        objects[key] = [(line.label, line.xywh(size), False) for line in lines]
    lacking = [path for key, path in images.items() if key not in labels]
    if len(lacking) > _MOSTLY * len(images):
        say(
            UNLABELLED_IMAGES,
            f"{len(lacking):,} of the {len(images):,} images of {place} {either(len(lacking), 'has', 'have')} "
            f"no label file, and {either(len(lacking), 'counts as an image', 'count as images')} without objects",
            brief=counted(len(lacking), "unlabelled image"),
            count=len(lacking),
            examples=lacking,
        )
    categories = [Category(number, name, None) for number, name in enumerate(names.names)]
    return _annotation_file(images, objects, sizes, categories)


def _names(found: LabelledFolder, place: str) -> YoloNames:
    near = [read for file in found.names if (read := read_names(file)) is not None]
    for above in found.root.resolve().parents[:_ABOVE]:
        if not near:
            files = (above / name for name in ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names"))
            near = [read for file in files if file.is_file() and (read := read_names(file)) is not None]
    if not near:
        raise LabelError(
            f"{place}: YOLO's text files number the classes, but no file names them",
            hint="Put a file classes.txt into the folder, with one name per line, in the order of the numbers.",
        )
    if other := next((read for read in near if read.names != near[0].names), None):
        raise LabelError(
            f"{place}: {near[0].file} names the classes {listing(near[0].names)}, but {other.file} names "
            f"{listing(other.names)}",
            hint="Keep the file that the label files were made with, and remove the other.",
        )
    return near[0]


def _numbered(names: Iterable[str]) -> tuple[dict[str, int], list[Category]]:
    """Numbers for classes that label files name: 1, 2, 3, … in alphabetical order."""
    ids = {name: number for number, name in enumerate(sorted(set(names)), 1)}
    return ids, [Category(number, name, None) for name, number in ids.items()]


def _annotation_file(
    images: Mapping[Key, str],
    objects: Mapping[Key, Objects],
    sizes: Mapping[Key, tuple[int, int] | None],
    categories: Sequence[Category],
) -> AnnotationFile:
    """The content as a COCO file would state it. Images and objects are numbered from 1 in the order of the paths."""
    annotated: list[AnnotatedImage] = []
    count = 0
    for key, path in sorted(images.items(), key=lambda entry: entry[1]):
        if key in objects:
            image = AnnotatedImage(len(annotated) + 1, path, size=sizes[key])
            for label, xywh, difficult in objects[key]:
                count += 1
                image.annotations.append((count, label, xywh, xywh[2] * xywh[3], difficult))
            annotated.append(image)
    return AnnotationFile(annotated, categories)


_READERS: Mapping[str, Callable[[LabelledFolder, Mapping[Key, str], Mapping[Key, Path], str], AnnotationFile]] = {
    ".xml": _read_voc,
    ".txt": _read_yolo,
    ".json": _read_labelme,
}
