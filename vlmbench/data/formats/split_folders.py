"""Recognises folders that hold splits, masks or another level instead of class folders, and refuses them.

Sources of class folders use it. Each error names the argument that should be right.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from vlmbench.data.formats.folder_walk import entry_is_folder, subfolders, visible
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.split_words import SPLIT_OF
from vlmbench.data.labels import listing
from vlmbench.data.location import argument, one_of
from vlmbench.errors import DataError
from vlmbench.wording import counted, either

_PREFERRED = ("test", "val", "train")
_BESIDE = frozenset(
    (
        *("image", "images", "img", "imgs", "jpg", "jpeg", "jpegs", "png", "photo", "photos", "pic", "pics"),
        *("picture", "pictures", "data", "dataset", "set", "split", "folder", "dir", "seg", "cls", "class", "raw"),
        *("final", "full", "original", "resized", "cropped", "clean", "small", "large", "mini", "new", "part"),
        *("files", "video", "videos", "frames", "clips", "ilsvrc", "coco", "imagenet", "a", "b"),
    )
)
"""Words that may be added to the word of a split in a folder's name, such as ``test_images``."""
_IMAGES = frozenset(("images", "image", "imgs", "img", "jpegimages", "pngimages", "img_dir", "photos", "pictures"))
_BESIDE_IMAGES = frozenset(
    (
        *("masks", "mask", "labels", "label", "annotations", "annotation", "annots", "ann_dir", "xmls", "imagesets"),
        *("segmentationclass", "segmentationclasspng", "segmentationobject", "segmentations", "ground_truth", "gt"),
    )
)
"""Names of the folders, in lower case, that datasets of masks and boxes have beside their images."""
_TOKENS = re.compile(r"[a-z]+|[0-9]+")
_LETTER_CASES = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ENOUGH = 0.5
"""Two folders are splits of one dataset if they share at least this part of the smaller one's class folders."""


def refuse_splits(root: Path, folders: Sequence[str], location: str, kind: str) -> None:
    """Refuse a folder whose sub-folders are splits instead of classes.

    They are splits if all of them have names of splits (``train``, ``Val``, ``test_images``), or if some have, and
    these hold the same class folders. A class named "test" among other classes is not a split.

    Args:
        folders: the names of the root's sub-folders.
        location: the root, as the user writes it.
        kind: the source's name, for the command in the hint.

    Raises:
        DataError: names the splits, and the argument for one of them.
    """
    splits = {name: split for name in folders if (split := split_of(name)) is not None}
    if len(folders) == 1 and not splits and not _has_images(root / folders[0]):
        inner = subfolders(root / folders[0])
        if inner and all(map(split_of, inner)):
            refuse_splits(root / folders[0], inner, _joined(location, folders[0]), kind)
    inside = {name: frozenset(subfolders(root / name)) for name in splits}
    if not splits or (len(splits) < len(folders) and not _have_the_same_classes(splits, inside)):
        return
    named = sorted(splits, key=lambda name: (_PREFERRED.index(splits[name]), name))
    what = either(len(named), "a split", "splits")
    raise DataError(
        f"{kind} {location!r}: {root} holds {what} of a dataset, not class folders: {listing(sorted(splits))}",
        hint=_way_out(root, [name for name in named if inside[name]], location, kind),
    )


def refuse_parts(root: Path, folders: Sequence[str], location: str, kind: str) -> None:
    """Refuse a folder whose sub-folders are images and their masks or labels instead of classes.

    Args:
        folders: the names of the root's sub-folders.
        location: the root, as the user writes it.
        kind: the source's name.

    Raises:
        DataError: names the arguments that read masks and boxes.
    """
    names = {name.lower() for name in folders}
    if names & _IMAGES and names & _BESIDE_IMAGES and names <= _IMAGES | _BESIDE_IMAGES:
        raise DataError(
            f"{kind} {location!r}: {root} holds images and their annotations ({listing(sorted(folders))}), not class "
            "folders",
            hint=f"If the annotations are masks, use {argument('masks', location)}; if they are boxes, use "
            f"{argument('boxes', location)}.",
        )


def refuse_wrapped(paths: Sequence[str], location: str, kind: str) -> None:
    """Refuse a folder if all samples are in one of its sub-folders, in folders of their own.

    Unpacked archives have this form (``PetImages/Cat``, ``PetImages/Dog``), and datasets that have other things beside
    ``images``.

    Args:
        paths: the paths of all samples, below the root.
        location: the root, as the user writes it.

    Raises:
        DataError: names the folder that seems to hold the class folders.
    """
    folders = {path.rpartition("/")[0] for path in paths}
    below = os.path.commonpath(folders)
    if not below or below in folders:
        return
    inside = sorted({folder.removeprefix(f"{below}/").partition("/")[0] for folder in folders})
    raise DataError(
        f"{kind} {location!r}: all samples are in the folder {below}; its {counted(len(inside), 'folder')} "
        f"{either(len(inside), 'seems to be the class', 'seem to be the classes')}: {listing(inside)}",
        hint=f"Name that folder: {argument(kind, _joined(location, below))}.",
    )


def _way_out(root: Path, named: Sequence[str], location: str, kind: str) -> str:
    """The hint that names the argument for each split that has class folders."""
    if not named:
        return f"None of these folders holds class folders. Expected: {root}/test/<class name>/<any name>."
    paths = ["/".join((name, *_between(root / name))) for name in named]
    arguments = [argument(kind, _joined(location, path)) for path in paths]
    return f"Name the split: {one_of(arguments)}. In a card's source, it is `split: {paths[0]}`."


def split_of(name: str) -> str | None:
    """The split that a folder's name means: "test", "val" or "train"; None if the name has other words.

    >>> [split_of(name) for name in ("Train", "test_images", "val2017", "ValidSet", "seg_test", "test pieces", "bus")]
    ['train', 'test', 'val', 'val', 'test', None, None]
    """
    words = _TOKENS.findall(_LETTER_CASES.sub(" ", name).lower())
    if len(words) == 1 and words[0].endswith("set"):
        words = [words[0].removesuffix("set")]
    splits = {SPLIT_OF[word] for word in words if word in SPLIT_OF}
    others = [word for word in words if word not in SPLIT_OF and word not in _BESIDE and not word.isdecimal()]
    return splits.pop() if len(splits) == 1 and not others else None


def _have_the_same_classes(splits: Mapping[str, str], inside: Mapping[str, frozenset[str]]) -> bool:
    return any(
        splits[one] != splits[other]
        and inside[one]
        and inside[other]
        and len(inside[one] & inside[other]) >= _ENOUGH * min(len(inside[one]), len(inside[other]))
        for one, other in combinations(inside, 2)
    )


def _between(folder: Path) -> Sequence[str]:
    """The folder between a split and its class folders, if any: some archives have ``test/test/<class>``."""
    found = subfolders(folder)
    if len(found) == 1 and split_of(found[0]) is not None and set(subfolders(folder / found[0])) - {found[0]}:
        return found
    return ()


def _has_images(folder: Path) -> bool:
    return any(is_image_name(entry.name) and not entry_is_folder(entry) for entry in visible(folder))


def _joined(location: str, below: str) -> str:
    return f"{location.rstrip('/')}/{below}"
