"""The source ``captions``: images with a caption file, such as COCO, Flickr8k, Flickr30k or your own.

``-t captions:PATH`` and cards with ``kind: captions`` use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.annotation_files import PROBED, UsualNames, find_annotations, folders_with, strings
from vlmbench.data.formats.captions.caption_files import (
    ALL,
    CaptionedImage,
    SeveralSplitsError,
    names_splits,
    read_captions,
)
from vlmbench.data.formats.captions.columns import AskedColumns
from vlmbench.data.formats.captions.image_names import LikeNames
from vlmbench.data.formats.folder_walk import subfolders
from vlmbench.data.formats.shards import find_shards, has_shards
from vlmbench.data.formats.webdataset import read_shards
from vlmbench.data.image_files import ImageFiles, readable, say_missing
from vlmbench.data.labels import TARGET_WORDS, listing
from vlmbench.data.location import argument, existing_places, read_text
from vlmbench.errors import DataError, LabelError, NoImagesError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import IMAGE_NAMES
from vlmbench.wording import counted, either

OPTIONS = ("annotations", "images", "list", "image_column", "caption_column")
_USUAL = UsualNames(
    (
        "captions.txt",
        "captions.csv",
        "results.csv",
        "*.token*",
        "dataset_*.json",
        "*karpathy*.json",
        "*karpathy*.txt",
        "captions*.json",
        "annotations/captions*.json",
        "captions.tsv",
        "captions*.jsonl",
    ),
    otherwise=("metadata.csv", "metadata.jsonl", "*.csv", "*.tsv", "*.jsonl"),
    called="the captions",
    none="no file of captions",
)

_ANNOTATION_FOLDERS = ("annotations", "annotation", "captions", "flickr8k_text")


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a folder of images with a caption file of any form in :mod:`~vlmbench.data.formats.captions.caption_files`.

    The location is the folder or the caption file. A folder of webdataset shards is read as a webdataset. If the file
    has images of several splits, one split must be named: as the card's ``split``, or after the location
    (``flickr30k/test``; ``flickr30k/all`` for every image). If the file spells an image's name differently from the
    disk and only one image can be meant, it is used, with a remark. Images that the file does not list are ignored.

    Options:

    - ``annotations``: the caption file, relative to the folder, or several files, of which the first that exists is
      used. Without this option, there must be one file with a usual name (``captions.txt``,
      ``dataset_flickr30k.json``, ``annotations/captions_val2017.json``, …), or else only one table.
    - ``images``: the folder of the images, relative to the location's folder. Without it, images are looked for in that
      folder, in the folders in it, and in folders of the same name in these (``images/images``).
    - ``list``: a text file of image names, one per line (``Flickr_8k.testImages.txt``): only these images are used.
    - ``image_column``, ``caption_column``: headings of a table, if they are not usual ones. ``caption_column`` may be a
      list.

    Raises:
        MissingDataError: there is no such folder, caption file or list.
        DataError: the caption file cannot be read or has several splits, or none of its images exists.
        LabelError: the task does not need captions.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "captions":
        needed = TARGET_WORDS[context.target]
        raise LabelError(f"{place}: it has captions, but the task needs {needed}", hint="Use a retrieval task for it.")
    if "annotations" not in spec.options:
        there = next(existing_places(spec, context), None)
        found = there.path if there is not None and there.path.is_dir() else None
        if found is not None and not _USUAL.below(found) and has_shards(found, spec.split):
            shards = find_shards(spec, context)
            return read_shards(shards, SourceInfo(spec.kind, spec.location, split=shards.split), context)
    spec = _split_behind(spec, context)
    beside = [str(spec.options["list"])] if "list" in spec.options else []
    location, root, annotations = find_annotations(spec, context, _USUAL, beside=beside)
    entries, annotation_files = _read(spec, annotations), [annotations]
    if "list" in spec.options:
        chosen = root / str(spec.options["list"])
        entries = _chosen(entries, chosen, annotations)
        annotation_files.append(chosen)
    no_images = None
    try:
        folder, files = _image_files(root, entries, spec, annotations)
    except NoImagesError as error:
        if not context.images_optional:
            raise
        folder, files, no_images = root, _joined((entry.image, entry.captions) for entry in entries), error
    info = SourceInfo(spec.kind, location, split=None if spec.split == ALL else spec.split)
    return ImageFiles(folder, info, files, None, annotation_files, no_images=no_images)


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


def _split_behind(spec: SourceSpec, context: SourceContext) -> SourceSpec:
    """The source with the last part of its location as its split, if the location ends with the name of a split.

    It does if there is no file or folder at the whole location, and the caption file at the first part states splits.
    """
    before, _, split = spec.location.rpartition("/")
    if spec.split is not None or not before or next(existing_places(spec, context), None) is not None:
        return spec
    parted = spec.model_copy(update={"location": before, "other_locations": [], "split": split})
    try:
        named = names_splits(find_annotations(parted, context, _USUAL)[2])
    except DataError:  # there are no captions at the first part either, so the location does not exist
        return spec
    return parted if named else spec


def _read(spec: SourceSpec, annotations: Path) -> list[CaptionedImage]:
    columns = AskedColumns(
        next(iter(strings(spec, "image_column")), None),
        tuple(strings(spec, "caption_column")),
    )
    try:
        return read_captions(annotations, spec.split, columns)
    except SeveralSplitsError as error:
        one = "test" if "test" in error.splits else error.splits[0]
        of_one, of_all = (argument(spec.kind, f"{spec.location.rstrip('/')}/{split}") for split in (one, ALL))
        raise DataError(
            error.message,
            hint=f"Name one: {of_one}. In a card's source, it is `split: {one}`. For every image, use {of_all}.",
        ) from error


def _chosen(entries: Iterable[CaptionedImage], chosen: Path, annotations: Path) -> list[CaptionedImage]:
    """The entries of the images that a list names, in the list's order. The list may name images without extensions."""
    by_name: dict[str, list[CaptionedImage]] = {}
    for entry in entries:
        for key in {entry.image, os.path.splitext(entry.image)[0]}:
            by_name.setdefault(key, []).append(entry)
    names = [line.strip() for line in read_text(chosen).splitlines() if line.strip()]
    unknown = [name for name in names if name not in by_name]
    if unknown or not names:
        have = either(len(unknown), "has", "have")
        what = f"{counted(len(unknown), 'listed image')} {have} no captions in {annotations}: {listing(unknown)}"
        raise DataError(f"{chosen}: {what if unknown else 'it is empty'}")
    if several := [name for name in names if len(by_name[name]) > 1]:
        number = counted(len(several), "name")
        raise DataError(f"{chosen}: {number} may mean several images of {annotations}: {listing(several)}")
    return list(dict.fromkeys(by_name[name][0] for name in names))


def _image_files(
    root: Path, entries: Sequence[CaptionedImage], spec: SourceSpec, annotations: Path
) -> tuple[Path, list[tuple[str, tuple[str, ...]]]]:
    """A folder that holds all images, and each image's path below that folder with its captions."""
    names, places = [entry.image for entry in entries], _places(root, spec)
    folders = folders_with(names, places) or [place for place in places if _like(names, place)]
    where = f"{spec.kind} {spec.location!r}"
    if not folders:
        raise NoImagesError(
            f"{where}: {annotations} lists {counted(len(names), 'image')}, but the first ones, such as {names[0]!r}, "
            "were not found",
            hint=f"Looked in {listing(str(place) for place in places)}.",
        )
    if len(folders) > 1 and any(sum(os.path.isfile(folder / name) for folder in folders) > 1 for name in names):
        raise DataError(
            f"{where}: several folders hold images of {annotations}: {listing(str(place) for place in folders)}",
            hint="Name one of them in a card's source, as options: {images: …}.",
        )
    files = _found(names, folders, [place for place in places if place not in folders])
    top = folders[0] if all(file.folder == folders[0] for file in files) else root
    captioned = _joined((file.below(top), entry.captions) for entry, file in zip(entries, files, strict=True))
    _tell_of_names(names, files, annotations)
    absent = dict.fromkeys(file.below(top) for file in files if not file.there)
    say_missing([*absent], len(captioned), top, annotations)
    return top, captioned


def _joined(entries: Iterable[tuple[str, Sequence[str]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Each image once, with the captions of all of its entries."""
    captions: dict[str, tuple[str, ...]] = {}
    for path, own in entries:
        captions[path] = (*captions.get(path, ()), *own)
    return list(captions.items())


@dataclass(frozen=True, slots=True)
class _File:
    """The file of a listed image.

    Attributes:
        folder: one of the folders where images may be.
        name: its POSIX path below that folder.
        there: whether it exists.
    """

    folder: Path
    name: str
    there: bool = True

    def below(self, top: Path) -> str:
        return self.name if self.folder == top else (self.folder / self.name).relative_to(top).as_posix()


def _places(root: Path, spec: SourceSpec) -> list[Path]:
    if "images" in spec.options:
        return [root / str(spec.options["images"])]
    # If the file is in a folder of annotations, the images are often beside that folder, as COCO's val2017.
    around = (root, root.parent) if root.name.lower() in _ANNOTATION_FOLDERS else (root,)
    inside = [near / name for near in around for name in subfolders(near)]
    return list(dict.fromkeys((*around, *inside, *(folder / folder.name for folder in inside))))


def _like(names: Sequence[str], place: Path) -> bool:
    search = LikeNames([place])
    return any(search.find(name) is not None for name in names[:PROBED])


def _found(names: Sequence[str], folders: Sequence[Path], others: Sequence[Path]) -> list[_File]:
    """The file of each name: one of this name in the folders, else one of a similar name in the folders.

    If there is neither, a file of this name in the other folders is used, if only one of them has it.
    """
    search = LikeNames(folders)
    files = []
    for name in names:
        exact = next((folder for folder in folders if os.path.isfile(folder / name)), None)
        if exact is not None:
            files.append(_File(exact, name))
        elif like := search.find(name):
            files.append(_File(*like))
        else:
            elsewhere = [place for place in others if os.path.isfile(place / name)]
            files.append(_File(elsewhere[0], name) if len(elsewhere) == 1 else _File(folders[0], name, there=False))
    return files


def _tell_of_names(names: Sequence[str], files: Sequence[_File], annotations: Path) -> None:
    other = {name: file.name for name, file in zip(names, files, strict=True) if file.name != name}
    if other:
        what = counted(len(other), "image")
        names_of = either(len(other), "another name than that", "other names than those")
        say(
            IMAGE_NAMES,
            f"{what} of {annotations} {either(len(other), 'was', 'were')} found under {names_of} in the file",
            brief=f"{what} under {either(len(other), 'another name', 'other names')}",
            count=len(other),
            examples=[f"{name} ({readable(found)})" for name, found in other.items()],
        )
