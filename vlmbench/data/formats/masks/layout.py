"""Finds the layout of a dataset with masks: from the source's options, or by usual names of folders and lists.

The source ``masks`` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vlmbench.cards import SourceSpec
from vlmbench.data.formats.masks.folders import FolderPair, folder_pairs, split_name
from vlmbench.data.formats.masks.found import commands_of, lists_of
from vlmbench.data.labels import listing
from vlmbench.data.location import exists
from vlmbench.errors import DataError, MissingDataError, UsageError

OPTIONS = ("images", "masks", "list", "image_suffix", "mask_suffix")
_KIND = "masks"
"""The name of the source on the command line."""
_FOLDERS_ABOVE = 3
"""A dataset's folder may be this many folders above the named list or images: ``ImageSets/Segmentation/val.txt``."""


@dataclass(frozen=True)
class Layout:
    """The folders of images and masks in a dataset, and the parts of file names that images and masks share.

    Attributes:
        root: the dataset's folder.
        images: the folder of images, as a POSIX path below the root; empty if it is the root.
        masks: the folder of masks; it may be the same.
        list: the file that lists the names of a split; empty if every image is used.
        image_suffix: what follows the shared name in an image's file name; None: the ending of any image.
        mask_suffix: what follows the shared name in a mask's file name; None: the ending of any image.
        stated: the options state the layout, so that a missing file is an error.
        usual: the folders were found by their usual names, so masks may be found by similar names, too.
        split: the split that was found; empty if there are no splits.
    """

    root: Path
    images: str
    masks: str
    list: str = ""
    image_suffix: str | None = None
    mask_suffix: str | None = None
    stated: bool = False
    usual: bool = False
    split: str = ""

    def __str__(self) -> str:
        listed = f" and {self.list}" if self.list else ""
        return f"{_of(self.images, self.image_suffix)}, {_of(self.masks, self.mask_suffix)}{listed}"


def stated_layout(spec: SourceSpec, root: Path) -> Layout | None:
    """The layout that a source's options state; None if they state only endings of names, or nothing.

    Raises:
        UsageError: an option is of the wrong form.
    """
    place = f"{spec.kind} {spec.location!r}"
    options: dict[str, Any] = {name: spec.options.get(name) for name in OPTIONS}
    for name, value in options.items():
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{place}: `{name}` must be a name, not {value!r}")
    if spec.split is not None and any(options[name] for name in ("images", "masks", "list")):
        raise UsageError(
            f"{place}: `split` cannot be used together with `images`, `masks` or `list`",
            hint="Name the folders and the list of the split instead.",
        )
    images, masks = (_path(options[name] or name) for name in ("images", "masks"))
    usual = options["images"] is None and options["masks"] is None
    if usual and not all(exists(root / folder) for folder in (images, masks)):
        return None
    if usual and not any(options.values()):
        return None
    image_suffix, mask_suffix = options["image_suffix"], options["mask_suffix"]
    if image_suffix is not None and mask_suffix is None:
        mask_suffix = ".png"
    return Layout(root, images, masks, options["list"] or "", image_suffix, mask_suffix, stated=True)


def usual_layout(spec: SourceSpec, path: Path) -> Layout | None:
    """The layout of a dataset's folder, found by usual names; None if it has no folders with such names.

    The path may also be the folder of one split's images, or the list of names of a split.

    Raises:
        DataError: there are several splits or several folders of masks, and it is unclear which to use.
        MissingDataError: there is no such split.
    """
    place = f"{spec.kind} {spec.location!r}"
    found = _of_list(path, place) if path.is_file() else _of_folder(spec, path, place) or _of_images(path, place)
    if found is None:
        return None
    root, pair = found
    options = spec.options
    return Layout(
        root,
        pair.images,
        pair.masks,
        options.get("list") or pair.list,
        options.get("image_suffix"),
        options.get("mask_suffix") or (".png" if options.get("image_suffix") else None),
        stated=any(options.get(name) for name in OPTIONS),
        usual=True,
        split=pair.split,
    )


def _of_folder(spec: SourceSpec, root: Path, place: str) -> tuple[Path, FolderPair] | None:
    pairs = [
        each for pair in folder_pairs(root) for each in ([pair] if spec.options.get("list") else lists_of(root, pair))
    ]
    if spec.split is not None and pairs:
        asked = [pair for pair in pairs if spec.split in (pair.split, PurePosixPath(pair.list).stem)]
        asked = asked or [
            pair for pair in pairs if split_name(spec.split) and split_name(spec.split) == split_name(pair.split)
        ]
        if not asked:
            there = listing(sorted({pair.split for pair in pairs if pair.split})) or "no splits"
            raise MissingDataError(f"{place}: no split {spec.split!r} in {root}", hint=f"It has {there}.")
        pairs = asked
    return _the_only(root, pairs, place)


def _of_images(path: Path, place: str) -> tuple[Path, FolderPair] | None:
    for root in path.parents[:_FOLDERS_ABOVE]:
        if exists(root) and (
            pairs := [pair for pair in folder_pairs(root) if pair.images and root / pair.images == path]
        ):
            return _the_only(root, pairs, place)
    return None


def _of_list(file: Path, place: str) -> tuple[Path, FolderPair] | None:
    for root in file.parents[:_FOLDERS_ABOVE]:
        if pairs := [pair for pair in folder_pairs(root) if not pair.split]:
            listed = file.relative_to(root).as_posix()
            return _the_only(root, [FolderPair(pair.images, pair.masks, file.stem, listed) for pair in pairs], place)
    return None


def _the_only(root: Path, pairs: list[FolderPair], place: str) -> tuple[Path, FolderPair] | None:
    if len(pairs) < 2:
        return (root, pairs[0]) if pairs else None
    splits = {(pair.split, pair.list) for pair in pairs}
    if len(splits) == len(pairs):
        names = listing(pair.list or pair.split or "a part without a name" for pair in pairs)
        raise DataError(
            f"{place}: {root} has {len(pairs)} splits ({names}), and it is not stated which to use",
            hint=f"Name the split: {commands_of(root, pairs, _KIND)}.",
        )
    folders = sorted({f"{pair.images}/ with {pair.masks}/" for pair in pairs})
    raise DataError(
        f"{place}: several folders of {root} may hold the images and their masks: {listing(folders)}",
        hint="State the folders to use in a card's source, as options: {images: …, masks: …}.",
    )


def _path(given: str) -> str:
    path = PurePosixPath(given).as_posix()
    return "" if path == "." else path


def _of(folder: str, suffix: str | None) -> str:
    return f"{folder}/*{suffix or ''}" if folder else f"*{suffix or ''}"
