"""Finds the label file of each image in the folders that annotation tools export. The reader of such folders uses it.

An image and its label file have the same name, except the ending. They are in the same folder, or in two folders beside
each other with usual names: ``images/val/a.jpg`` and ``labels/val/a.txt``, ``valid/a.jpg`` and ``valid/a.xml``,
``JPEGImages/a.jpg`` and ``Annotations/a.xml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlmbench.data.formats.boxes.labelme import is_labelme
from vlmbench.data.formats.boxes.voc_xml import is_voc_xml
from vlmbench.data.formats.boxes.yolo import NAME_LISTS, read_names
from vlmbench.data.formats.folder_walk import FolderWalk, PassedOver, subfolders
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.split_words import SPLIT_OF
from vlmbench.data.image_files import readable
from vlmbench.data.location import read_text
from vlmbench.errors import DataError

FORMATS = {".xml": "VOC XML", ".txt": "YOLO text", ".json": "LabelMe JSON"}
"""The endings of label files, with the names of their formats."""
_IMAGE_FOLDERS = ("images", "jpegimages", "image", "imgs", "img")
_LABEL_FOLDERS = ("labels", "annotations", "label", "annotation", "annots", "xmls", "xml", "jsons", "json")
_ROLES = frozenset((*_IMAGE_FOLDERS, *_LABEL_FOLDERS))
_SPLIT = re.compile(rf"(obj_)?({'|'.join(SPLIT_OF)}|default)(\d{{4}})?(_data)?", re.I)
_LISTS = ("obj.data", "train.txt", "val.txt", "valid.txt", "test.txt", "labelmap.txt")
"""Files that describe a dataset but hold no labels and no class names. They are not counted as passed over."""
_SUFFIXES = (*FORMATS, ".yaml", ".yml", ".names", ".data", ".labels")

Key = tuple[str, ...]
"""What an image and its label file share: the folders, without those named ``images``, ``labels`` or the like, and the
file name without its ending."""


@dataclass
class LabelledFolder:
    """The images below a folder, and their label files.

    Attributes:
        root: the folder to which the images' paths are relative.
        images: each image's POSIX path, by its key.
        labels: the label files of each format, by their keys.
        names: files that may name the classes.
        passed: counts all other files.
    """

    root: Path
    images: dict[Key, str] = field(default_factory=dict)
    labels: dict[str, dict[Key, Path]] = field(default_factory=dict)
    names: list[Path] = field(default_factory=list)
    passed: PassedOver = field(default_factory=PassedOver)


def look_into(root: Path, place: str) -> LabelledFolder:
    """Find all images and label files below a folder and, for a folder of images, in the folder of labels beside it.

    Raises:
        DataError: a folder cannot be read, or two images would have the same label file.
    """
    found = LabelledFolder(root)
    _sort(FolderWalk(root, _wanted, found.passed, _masks_of_voc(root)), found, place)
    if not any(found.labels.values()):
        for twin in twins(root):
            other = LabelledFolder(twin)
            _sort(FolderWalk(twin, _wanted, found.passed), other, place)
            found.labels |= other.labels
            found.names += other.names
    return found


def _masks_of_voc(root: Path) -> frozenset[str]:
    """The folders of masks in a VOC devkit. They belong to another task on the same images and are not counted."""
    if not (root / "JPEGImages").is_dir():
        return frozenset()
    return frozenset(name for name in ("SegmentationClass", "SegmentationObject") if (root / name).is_dir())


def twins(folder: Path) -> list[Path]:
    """The folders of labels that belong to a folder of images: ``labels/val`` to ``images/val``."""
    for place in range(len(folder.parts) - 1, 0, -1):
        if folder.parts[place].lower() in _IMAGE_FOLDERS:
            above = Path(*folder.parts[:place])
            rest = folder.parts[place + 1 :]
            near = sorted(entry for entry in above.iterdir() if entry.name.lower() in _LABEL_FOLDERS)
            return [entry.joinpath(*rest) for entry in near if entry.joinpath(*rest).is_dir()]
    return []


def splits(paths: Iterable[str]) -> dict[str, str]:
    """The splits to which paths belong: the name of each split's folder, and its path."""
    found: dict[str, str] = {}
    for path in paths:
        parts = PurePosixPath(path).parts[:-1]
        for place, part in enumerate(parts):
            if _SPLIT.fullmatch(part):
                found.setdefault(part, "/".join(parts[: place + 1]))
                break
    return found


def of_split(paths: Mapping[Key, str], split: str) -> dict[Key, str]:
    """The images that are below a folder of this name."""
    return {key: path for key, path in paths.items() if split in PurePosixPath(path).parts[:-1]}


def image_lists(root: Path) -> list[Path]:
    """VOC's lists of images in ``ImageSets/Main``, one per split.

    Lists of single classes, which have a flag in each line, are left out. A devkit may hold the folders of several
    years, each with its own lists.
    """
    years = [root / name for name in subfolders(root)]
    files = [file for folder in (root, *years) for file in sorted((folder / "ImageSets" / "Main").glob("*.txt"))]
    return [file for file in files if all(len(line.split()) < 2 for line in read_text(file).splitlines())]


def _wanted(name: str) -> bool:
    return is_image_name(name) or PurePosixPath(name).suffix.lower() in _SUFFIXES


def _key(path: str) -> Key:
    found = PurePosixPath(path)
    return (*(part for part in found.parts[:-1] if part.lower() not in _ROLES), found.stem)


def _sort(walk: FolderWalk, found: LabelledFolder, place: str) -> None:
    files = walk.files()
    for path in files:
        if is_image_name(path):
            other = found.images.setdefault(_key(path), path)
            if other != path:
                raise DataError(
                    f"{place}: the images {readable(other)} and {readable(path)} would have the same label file",
                    hint="Rename one of them with its label file, or name the folder of one.",
                )
    for path in files:
        suffix = PurePosixPath(path).suffix.lower()
        if suffix in FORMATS and not is_image_name(path):
            _sort_label(walk, path, suffix, found)
        elif not is_image_name(path):
            _sort_list(walk.root / path, path, found)


def _sort_list(file: Path, path: str, found: LabelledFolder) -> None:
    if file.name.lower() in _LISTS:
        return
    try:
        states_names = read_names(file) is not None
    except DataError:  # the error is raised again if the names are needed
        states_names = True
    if states_names:
        found.names.append(file)
    else:
        found.passed.add_suffix(path)


def _sort_label(walk: FolderWalk, path: str, suffix: str, found: LabelledFolder) -> None:
    name, file = PurePosixPath(path).name.lower(), walk.root / path
    if name in NAME_LISTS:
        found.names.append(file)
    elif name in _LISTS or "ImageSets" in PurePosixPath(path).parts:
        return
    elif _is_label(file, path, suffix, found.images):
        found.labels.setdefault(suffix, {})[_key(path)] = file
    else:
        found.passed.add_suffix(path)


def _is_label(file: Path, path: str, suffix: str, images: Mapping[Key, str]) -> bool:
    if suffix == ".xml":
        return is_voc_xml(file)
    if suffix == ".json":
        return _key(path) in images and is_labelme(file)
    in_labels = any(part.lower() in _LABEL_FOLDERS for part in (*file.parent.parts[-2:],))
    return in_labels or _key(path) in images


def without_labels(images: Sequence[str], passed: PassedOver) -> None:
    """Count images without a label file as passed over."""
    for path in images:
        passed.add("without a label file", path)
