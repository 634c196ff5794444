"""Finds the folders of images and of masks in a dataset, by the names that people and tools usually give them.

The source ``masks`` uses it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.data.formats.folder_walk import entry_is_folder, is_junk_file, is_junk_folder, scan, subfolders
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.masks.names import masks_among
from vlmbench.data.formats.split_words import SPLIT_OF

_IMAGES = (
    "images",
    "jpegimages",
    "image",
    "imgs",
    "img",
    "img_dir",
    "pngimages",
    "leftimg8bit",
    "photos",
    "pictures",
    "rgb",
    "inputs",
    "input",
)
_MASKS = (
    *("masks", "segmentationclass", "segmentationclasspng", "segmentationclassraw", "mask", "labels", "label"),
    *("annotations", "annotation", "annot", "ann_dir", "gtfine", "gt", "ground_truth", "groundtruth", "segmentations"),
    *("segmentation", "seg", "targets", "target"),
)
"""Names of folders of images and of masks, in lower case."""
_PREFERRED = 2
"""If there are several folders, one with one of the first two names is used, and other names are ambiguous."""
_SPLITS = {**SPLIT_OF, "trainval": "trainval"}
"""Names of splits. VOC's trainval is a split of its own here, because it has its own list."""
_SPLIT = re.compile(rf"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})[_-]?(\d{{2,4}})?")
_JOINED = re.compile(r"[_\-. ]*")
_PROBED = 200
"""The number of entries of a folder that are searched for images."""
LISTS = "ImageSets/Segmentation"
"""The folder in which VOC, and datasets like it, have a list of names for each split."""


@dataclass(frozen=True)
class FolderPair:
    """A folder of images and the folder of their masks, as POSIX paths below a root. Both may be the root, ``""``.

    Attributes:
        split: the split that they hold, as the folders name it; empty if they hold the whole dataset.
        list: the file that lists the images to use; empty if all images are used.
    """

    images: str
    masks: str
    split: str = ""
    list: str = ""


def split_name(name: str) -> str:
    """The split that the name of a folder or list means, such as ``val`` for ``valid``; empty if it means no split."""
    found = _SPLIT.fullmatch(name.lower())
    return _SPLITS[found[1]] + (found[2] or "") if found else ""


def folder_pairs(root: Path) -> list[FolderPair]:
    """Every pair of a folder of images and a folder of masks in a dataset. Each split is a pair of its own.

    Raises:
        DataError: a folder cannot be read.
    """
    pairs = [each for pair in _here(root) for each in _by_split(root, pair)]
    if not pairs:
        for name in subfolders(root):
            if split_name(name):
                pairs += [_below(name, pair) for pair in _here(root / name)]
    return pairs or _mixed(root)


def list_files(root: Path) -> list[str]:
    """The lists of names in a VOC devkit, sorted; empty if there are no lists."""
    folder = root / LISTS
    if not folder.is_dir():
        return []
    return sorted(
        f"{LISTS}/{each.name}" for each in scan(folder) if each.name.endswith(".txt") and not is_junk_file(each.name)
    )


def has_images(folder: Path) -> bool:
    """Whether a folder, or a folder a few levels below it, holds an image."""
    return any(is_image_name(name) for name in _some_files(folder, 4))


def _here(root: Path) -> list[FolderPair]:
    """The pairs of folders directly in the root. If several folders of masks fit the same images, all of them."""
    images: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for name in subfolders(root):
        role, rest = _role(name)
        if role == "image":
            images.setdefault(rest, []).append(name)
        elif role == "mask" and has_images(root / name):
            masks.setdefault(rest, []).append(name)
    found = []
    for rest, of_masks in sorted(masks.items()):
        of_images = [name for name in images.get(rest, []) if has_images(root / name)]
        for name in _foremost(of_images, _IMAGES):
            found += [FolderPair(name, mask, rest) for mask in _foremost(of_masks, _MASKS)]
    return found


def _role(name: str) -> tuple[Literal["image", "mask", ""], str]:
    """Whether a folder's name means images or masks, and its split: ``train_masks`` means the masks of ``train``."""
    lower = name.lower()
    for role, words in (("image", _IMAGES), ("mask", _MASKS)):
        if lower in words:
            return role, ""  # type: ignore[return-value]
        for word in sorted(words, key=len, reverse=True):
            for rest in (lower.removesuffix(word), lower.removeprefix(word)):
                if rest != lower and (split := _JOINED.sub("", rest)) and split_name(split):
                    return role, split  # type: ignore[return-value]
    return ("image", lower) if split_name(lower) else ("", "")


def _foremost(names: list[str], order: tuple[str, ...]) -> list[str]:
    """The folder with a preferred name; all folders if there is no such folder."""
    for word in order[:_PREFERRED]:
        if chosen := [name for name in names if name.lower() == word]:
            return chosen
    return names


def _by_split(root: Path, pair: FolderPair) -> list[FolderPair]:
    """The pair split up, if both of its folders hold folders of the same splits; else the pair itself."""
    of_images = [name for name in subfolders(root / pair.images) if split_name(name)]
    of_masks = {split_name(name): name for name in subfolders(root / pair.masks)}
    splits = [name for name in of_images if split_name(name) in of_masks]
    if pair.split or not splits:
        return [pair]
    return [FolderPair(f"{pair.images}/{name}", f"{pair.masks}/{of_masks[split_name(name)]}", name) for name in splits]


def _below(folder: str, pair: FolderPair) -> FolderPair:
    return FolderPair(f"{folder}/{pair.images}", f"{folder}/{pair.masks}", folder)


def _mixed(root: Path) -> list[FolderPair]:
    """Pairs of which both are the same folder, with names such as ``x.jpg`` for images and ``x_mask.png`` for masks."""
    if masks_beside(root):
        return [FolderPair("", "")]
    return [FolderPair(name, name, name) for name in subfolders(root) if split_name(name) and masks_beside(root / name)]


def masks_beside(folder: Path) -> list[str]:
    """The names of the masks in a folder that also holds their images."""
    names = [entry.name for entry in scan(folder) if not entry_is_folder(entry) and is_image_name(entry.name)]
    return masks_among([name for name in names if not is_junk_file(name)])


def _some_files(folder: Path, depth: int) -> Iterator[str]:
    """The names of files in a folder and a few levels below it."""
    if not depth or not os.path.isdir(folder):
        return
    entries = scan(folder)
    yield from (entry.name for entry in entries if not entry_is_folder(entry) and not is_junk_file(entry.name))
    for entry in sorted(entries, key=lambda entry: entry.name)[:_PROBED]:
        if entry_is_folder(entry) and not is_junk_folder(entry.name):
            yield from _some_files(folder / entry.name, depth - 1)
