"""Images with captions on disk: COCO, Flickr8k, Flickr30k and whatever is laid out like them."""

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
from vlmbench.data.formats.shards import find_shards, has_shards
from vlmbench.data.image_files import ImageFiles, readable, say_missing
from vlmbench.data.labels import listing
from vlmbench.data.location import argument, existing_places, read_text
from vlmbench.data.sources.wds import read_shards
from vlmbench.errors import DataError, LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import IMAGE_NAMES

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
    """Open a folder of images with a file of captions, in any format of
    :mod:`~vlmbench.data.formats.captions.caption_files`.

    The location is the folder, or the caption file itself; a folder of webdataset shards is read as such. If the file
    says which split its images are of, a split must be asked for: as the card's ``split``, or behind the location
    (``flickr30k/test``; ``flickr30k/all`` for every image). Images that are not named exactly as on disk are found if
    only one can be meant, with a remark. Images without captions play no part: the file says which there are.

    Options:

    - ``annotations``: the caption file, relative to the folder, or a list of which the first that is there counts.
      Without it there must be just one file that is named like one (``captions.txt``, ``dataset_flickr30k.json``,
      ``annotations/captions_val2017.json``, …), or else just one table.
    - ``images``: the folder of the images, relative to the location's. Without it: wherever the listed ones are, among
      the folder, the folders in it, and those of the same name in these.
    - ``list``: a text file of image names, one a line (``Flickr_8k.testImages.txt``): only these count.
    - ``image_column``, ``caption_column``: headings of a table, if its own do not tell; the latter may be a list.

    Raises:
        MissingDataError: there is no such folder, caption file or list.
        DataError: the caption file cannot be read or has several splits, or none of its images is there.
        LabelError: the task needs classes.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "captions":
        raise LabelError(f"{place}: it has captions, but the task needs classes", hint="Use a retrieval task for it.")
    if "annotations" not in spec.options:
        there = next(existing_places(spec, context), None)
        found = there.path if there is not None and there.path.is_dir() else None
        if found is not None and not _USUAL.below(found) and has_shards(found, spec.split):
            shards = find_shards(spec, context)
            return read_shards(shards, SourceInfo(spec.kind, spec.location, split=shards.split), context)
    spec = _split_behind(spec, context)
    beside = [str(spec.options["list"])] if "list" in spec.options else []
    location, root, annotations = find_annotations(spec, context, _USUAL, beside=beside)
    entries, said_by = _read(spec, annotations), [annotations]
    if "list" in spec.options:
        chosen = root / str(spec.options["list"])
        entries = _chosen(entries, chosen, annotations)
        said_by.append(chosen)
    folder, files = _image_files(root, entries, spec, annotations)
    split = None if spec.split == ALL else spec.split
    return ImageFiles(folder, SourceInfo(spec.kind, location, split=split), files, None, said_by)


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


def _split_behind(spec: SourceSpec, context: SourceContext) -> SourceSpec:
    """The same source with its location's last part as the split, if no such place is there and the captions at what
    stands before it name splits."""
    before, _, split = spec.location.rpartition("/")
    if spec.split is not None or not before or next(existing_places(spec, context), None) is not None:
        return spec
    parted = spec.model_copy(update={"location": before, "other_locations": [], "split": split})
    try:
        named = names_splits(find_annotations(parted, context, _USUAL)[2])
    except DataError:  # what stands before it is no place of captions: the whole is one that is not there
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
            hint=f"Name one: {of_one}, or `split` of a card's source; {of_all} takes every image.",
        ) from error


def _chosen(entries: Iterable[CaptionedImage], chosen: Path, annotations: Path) -> list[CaptionedImage]:
    """The entries whose image a list names, in the list's order. A list may leave out the extension."""
    by_name: dict[str, list[CaptionedImage]] = {}
    for entry in entries:
        for key in {entry.image, os.path.splitext(entry.image)[0]}:
            by_name.setdefault(key, []).append(entry)
    names = [line.strip() for line in read_text(chosen).splitlines() if line.strip()]
    unknown = [name for name in names if name not in by_name]
    if unknown or not names:
        what = f"{len(unknown)} of its images have no captions in {annotations}: {listing(unknown)}"
        raise DataError(f"{chosen}: {what if unknown else 'it is empty'}")
    if several := [name for name in names if len(by_name[name]) > 1]:
        raise DataError(f"{chosen}: {len(several)} names may be one image or another: {listing(several)}")
    return list(dict.fromkeys(by_name[name][0] for name in names))


def _image_files(
    root: Path, entries: Sequence[CaptionedImage], spec: SourceSpec, annotations: Path
) -> tuple[Path, list[tuple[str, tuple[str, ...]]]]:
    """A folder that holds all images, and of each its path below that folder and its captions."""
    names, places = [entry.image for entry in entries], _places(root, spec)
    folders = folders_with(names, places) or [place for place in places if _like(names, place)]
    where = f"{spec.kind} {spec.location!r}"
    if not folders:
        raise DataError(
            f"{where}: {annotations} lists {len(names):,} images, but {names[0]!r} and the next are not there",
            hint=f"Looked in {listing(str(place) for place in places)}.",
        )
    if len(folders) > 1 and any(sum(os.path.isfile(folder / name) for folder in folders) > 1 for name in names):
        raise DataError(
            f"{where}: the images of {annotations} are in several folders: {listing(str(place) for place in folders)}",
            hint="Name one as `options: {images: …}` of a card's source.",
        )
    files = _found(names, folders, [place for place in places if place not in folders])
    top = folders[0] if all(file.folder == folders[0] for file in files) else root
    captions: dict[str, tuple[str, ...]] = {}
    absent: dict[str, None] = {}
    for entry, file in zip(entries, files, strict=True):
        path = file.below(top)
        captions[path] = (*captions.get(path, ()), *entry.captions)
        if not file.there:
            absent[path] = None
    _tell_of_names(names, files, annotations)
    say_missing([*absent], len(captions), top, annotations)
    return top, list(captions.items())


@dataclass(frozen=True, slots=True)
class _File:
    """A listed image's file.

    Attributes:
        folder: one of the places where images may be.
        name: its POSIX path below that.
        there: whether there is one.
    """

    folder: Path
    name: str
    there: bool = True

    def below(self, top: Path) -> str:
        return self.name if self.folder == top else (self.folder / self.name).relative_to(top).as_posix()


def _places(root: Path, spec: SourceSpec) -> list[Path]:
    if "images" in spec.options:
        return [root / str(spec.options["images"])]
    # Of a file in a folder of annotations, the images are often beside that folder: COCO's val2017.
    around = (root, root.parent) if root.name.lower() in _ANNOTATION_FOLDERS else (root,)
    inside = sorted(Path(entry.path) for near in around for entry in os.scandir(near) if entry.is_dir())
    return list(dict.fromkeys((*around, *inside, *(folder / folder.name for folder in inside))))


def _like(names: Sequence[str], place: Path) -> bool:
    search = LikeNames([place])
    return any(search.find(name) is not None for name in names[:PROBED])


def _found(names: Sequence[str], folders: Sequence[Path], others: Sequence[Path]) -> list[_File]:
    """Each name's file. One that is in none of the folders under a like name either, but in just one of the others, is
    that; else it is missing."""
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
        one = len(other) == 1
        say(
            IMAGE_NAMES,
            f"{len(other):,} image{'s' * (not one)} of {annotations} {'was' if one else 'were'} found under "
            f"{'another name than it gives' if one else 'other names than it gives'}",
            brief=f"{len(other):,} image{'s' * (not one)} under other names",
            count=len(other),
            examples=[f"{name} ({readable(found)})" for name, found in other.items()],
        )
