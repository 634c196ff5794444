"""Images with captions on disk: COCO, Flickr8k, Flickr30k and whatever is laid out like them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.formats.annotation_files import UsualNames, find_annotations, folders_with
from vlmbench.data.formats.captions.caption_files import CaptionedImage, read_captions
from vlmbench.data.formats.shards import find_shards, has_shards
from vlmbench.data.image_files import ImageFiles, tell_of_missing
from vlmbench.data.labels import listing
from vlmbench.data.location import find_local, read_text
from vlmbench.data.sources.wds import read_shards
from vlmbench.errors import DataError, LabelError

OPTIONS = ("annotations", "images", "list")
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
    ),
    called="the captions",
    none="no file of captions",
)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open a folder of images with a file of captions, in any format of :mod:`~vlmbench.data.formats.captions.caption_files`.

    The location is the folder, or the caption file itself; a folder of webdataset shards is read as such. Options:

    - ``annotations``: the caption file, relative to the folder, or a list of which the first that is there counts.
      Without it there must be just one file that is named like one (``captions.txt``, ``dataset_flickr30k.json``,
      ``annotations/captions_val2017.json``, …).
    - ``images``: the folder of the images, relative to the location's. Without it: wherever the first listed ones are,
      among the folder, the folders in it, and those of the same name in these.
    - ``list``: a text file of image names, one a line (``Flickr_8k.testImages.txt``): only these count.

    Raises:
        MissingDataError: there is no such folder, caption file or list.
        DataError: the caption file cannot be read, or none of its images is there.
        LabelError: the task needs classes.
    """
    place = f"{spec.kind} {spec.location!r}"
    if context.target != "captions":
        raise LabelError(f"{place}: it has captions, but the task needs classes", hint="Use a retrieval task for it.")
    if "annotations" not in spec.options:
        found = find_local(spec, context).path
        if found.is_dir() and not _USUAL.below(found) and has_shards(found, spec.split):
            shards = find_shards(spec, context)
            return read_shards(shards, SourceInfo(spec.kind, spec.location, split=shards.split), context)
    beside = [str(spec.options["list"])] if "list" in spec.options else []
    location, root, annotations = find_annotations(spec, context, _USUAL, beside=beside)
    entries, said_by = read_captions(annotations, spec.split), [annotations]
    if "list" in spec.options:
        chosen = root / str(spec.options["list"])
        entries = _chosen(entries, chosen, annotations)
        said_by.append(chosen)
    folder = _image_folder(root, entries, spec, annotations)
    tell_of_missing(folder, [entry.image for entry in entries], annotations)
    files = [(entry.image, entry.captions) for entry in entries]
    return ImageFiles(folder, SourceInfo(spec.kind, location, split=spec.split), files, None, said_by)


SOURCE = Source(open_source, OPTIONS, other_locations=True, split=True)


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


def _image_folder(root: Path, entries: Sequence[CaptionedImage], spec: SourceSpec, annotations: Path) -> Path:
    if "images" in spec.options:
        places = [root / str(spec.options["images"])]
    else:
        inside = sorted(Path(entry.path) for entry in os.scandir(root) if entry.is_dir())
        places = [root, *inside, *(folder / folder.name for folder in inside)]
    found = folders_with([entry.image for entry in entries], places)
    if len(found) == 1:
        return found[0]
    where = f"{spec.kind} {spec.location!r}"
    if not found:
        raise DataError(
            f"{where}: {annotations} lists {len(entries):,} images, but {entries[0].image!r} and the next are not "
            "there",
            hint=f"Looked in {listing(str(place) for place in places)}.",
        )
    raise DataError(
        f"{where}: the images of {annotations} are in several folders: {listing(str(place) for place in found)}",
        hint="Name one as `options: {images: …}` of a card's source.",
    )
