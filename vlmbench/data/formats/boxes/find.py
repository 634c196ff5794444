"""Finds the boxes at a source's location: a JSON file of COCO's form, or a folder of label files.

The source :mod:`vlmbench.data.sources.coco` uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.annotation_files import UsualNames, find_annotations
from vlmbench.data.formats.boxes.folders import read_folder
from vlmbench.data.formats.boxes.plausible import Form
from vlmbench.data.formats.coco_json import AnnotationFile, is_annotation_file, read_annotations
from vlmbench.data.formats.folder_walk import subfolders
from vlmbench.data.labels import listing
from vlmbench.data.location import argument, existing_places, one_of
from vlmbench.errors import DataError, UsageError

_FORMATS: dict[str, Form] = {"VOC XML": "xyxy", "YOLO text": "cxcywh", "LabelMe JSON": "xywh"}
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
_FEW = 5
"""A folder with more JSON files of unusual names has one per image, so they are not tried as COCO files."""
_IN_SPLITS = ("_annotations.coco.json",)
"""Roboflow's name of the annotation file, which lies beside the images of each split."""
_USUAL = UsualNames(
    (
        "instances*.json",
        "annotations/instances*.json",
        "lvis*.json",
        "annotations_without_background.json",
        "_annotations.coco.json",
        "annotations.json",
    ),
    called="the annotations",
    none="no annotation file",
)


@dataclass(frozen=True)
class FoundBoxes:
    """Images with boxes, and their place.

    Attributes:
        location: the source's location that was found.
        root: the folder of that location.
        path: the annotation file or the folder of label files, for messages.
        content: the images and their boxes.
        annotation_files: the files that state the boxes.
        folder: the folder to which the images' paths are relative; None if it is not known yet.
        form: how the files write a box.
        coco: whether the boxes are in one file of COCO's form, which may have outlines, too.
    """

    location: str
    root: Path
    path: Path
    content: AnnotationFile
    annotation_files: Sequence[Path]
    folder: Path | None = None
    form: Form = "xywh"
    coco: bool = False

    @property
    def is_one_file(self) -> bool:
        """Whether one file of COCO's form states the boxes, and with them the ids of images and classes."""
        return self.folder is None


def find_boxes(spec: SourceSpec, context: SourceContext) -> FoundBoxes:
    """Read the boxes of the first location that exists.

    Raises:
        MissingDataError: there is no such folder or file.
        DataError, LabelError: there are no boxes that can be read, or several splits.
    """
    place = next(existing_places(spec, context), None)
    if place is None or "annotations" in spec.options or _USUAL.below(place.path):
        return _of_file(*find_annotations(spec, context, _USUAL))
    if not place.path.is_dir():
        return _at_file(place.location, place.path, spec)
    if (file := _lone_file(place.path, spec)) is not None:
        return _of_file(place.location, file.parent if file.name in _IN_SPLITS else place.path, file)
    return _of_folder(place.location, place.path, spec)


def _of_file(location: str, root: Path, path: Path) -> FoundBoxes:
    return FoundBoxes(location, root, path, read_annotations(path), [path], coco=True)


def _at_file(location: str, path: Path, spec: SourceSpec) -> FoundBoxes:
    suffix = path.suffix.lower()
    if suffix in _ARCHIVES:
        raise DataError(f"{spec.kind} {spec.location!r}: {path} is an archive", hint="Unpack it, and name the folder.")
    if suffix in (".yaml", ".yml"):
        return _of_folder(location, path.parent, spec)
    if suffix == ".txt" and path.parent.parent.name == "ImageSets":
        return _of_folder(location, path.parents[2], spec, listed=path)
    return _of_file(location, path.parent, path)


def _of_folder(location: str, root: Path, spec: SourceSpec, listed: Path | None = None) -> FoundBoxes:
    format_ = spec.options.get("format")
    if format_ not in (None, "xml", "txt", "json"):
        raise UsageError(f"{spec.kind} {spec.location!r}: `format` may be xml, txt or json, not {format_!r}")
    found = read_folder(
        root,
        f"{spec.kind} {spec.location!r}",
        spec.kind,
        listed=listed,
        split=spec.split,
        format_=format_,
    )
    return FoundBoxes(location, root, root, found.content, found.annotation_files, found.root, _FORMATS[found.format])


def _lone_file(root: Path, spec: SourceSpec) -> Path | None:
    """The only JSON file of COCO's form under an unusual name, or in the folder of a split; None if there is no such
    file.

    Raises:
        DataError: there are several such files.
    """
    places = [root / folder / name for folder in subfolders(root) for name in _IN_SPLITS]
    in_splits = [place for place in places if place.is_file()]
    if spec.split is not None:
        in_splits = [file for file in in_splits if file.parent.name == spec.split] or in_splits
    if len(in_splits) > 1:
        names = listing(file.parent.name for file in in_splits)
        raise DataError(
            f"{spec.kind} {spec.location!r}: {root} holds several splits: {names}",
            hint=f"Name the split: {one_of([argument(spec.kind, file.parent) for file in in_splits])}.",
        )
    if in_splits:
        return in_splits[0]
    near = [file for folder in (root, root / "annotations") for file in sorted(folder.glob("*.json"))]
    found = [file for file in near if is_annotation_file(file)] if len(near) <= _FEW else []
    if len(found) > 1:
        names = listing(file.relative_to(root).as_posix() for file in found)
        raise DataError(
            f"{spec.kind} {spec.location!r}: {root} has several files that may be the annotations: {names}",
            hint="Name the file itself as the location. In a card's source, it is `options: {annotations: …}`.",
        )
    return found[0] if found else None
