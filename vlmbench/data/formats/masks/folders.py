"""Which folders of a dataset hold its images and which its masks, under the names that people and tools use."""

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
"""Names in lower case; of two that hold images, the first of the first two wins, and others are ambiguous."""
_PREFERRED = 2
_SPLITS = {**SPLIT_OF, "trainval": "trainval"}
"""Words of splits; VOC's trainval has a list of its own."""
_SPLIT = re.compile(rf"({'|'.join(sorted(_SPLITS, key=len, reverse=True))})[_-]?(\d{{2,4}})?")
_JOINED = re.compile(r"[_\-. ]*")
_PROBED = 200
"""Entries of a folder that are looked at to see whether images lie below it."""
LISTS = "ImageSets/Segmentation"
"""Where VOC and its descendants have a list of names for each split."""


@dataclass(frozen=True)
class FolderPair:
    """A folder of images and the folder of their masks, as POSIX paths below a root; both may be the root, ``""``.

    Attributes:
        split: the split that they are, as the folders call it; empty if they are the whole dataset.
        list: the list of names that says which images count; empty: all.
    """

    images: str
    masks: str
    split: str = ""
    list: str = ""


def split_name(name: str) -> str:
    """The split that a folder's or list's name means, ``val`` for ``valid``; empty if it means none."""
    found = _SPLIT.fullmatch(name.lower())
    return _SPLITS[found[1]] + (found[2] or "") if found else ""


def folder_pairs(root: Path) -> list[FolderPair]:
    """Every pair of folders of images and masks in a dataset's folder, those of its splits apart.

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
    """The lists of names of a VOC devkit, sorted."""
    folder = root / LISTS
    if not folder.is_dir():
        return []
    return sorted(
        f"{LISTS}/{each.name}" for each in scan(folder) if each.name.endswith(".txt") and not is_junk_file(each.name)
    )


def has_images(folder: Path) -> bool:
    """Whether an image lies in a folder or near below it."""
    return any(is_image_name(name) for name in _some_files(folder, 4))


def _here(root: Path) -> list[FolderPair]:
    """The pairs of folders directly in the root. Of several folders of masks for the same images, all."""
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
    """Whether a folder's name says images or masks, and of which split: ``train_masks`` are masks of ``train``."""
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
    """The one that its name puts before the others; all if none does."""
    for word in order[:_PREFERRED]:
        if chosen := [name for name in names if name.lower() == word]:
            return chosen
    return names


def _by_split(root: Path, pair: FolderPair) -> list[FolderPair]:
    """The pair's splits, if its folders have one folder each of them; else the pair."""
    of_images = [name for name in subfolders(root / pair.images) if split_name(name)]
    of_masks = {split_name(name): name for name in subfolders(root / pair.masks)}
    splits = [name for name in of_images if split_name(name) in of_masks]
    if pair.split or not splits:
        return [pair]
    return [FolderPair(f"{pair.images}/{name}", f"{pair.masks}/{of_masks[split_name(name)]}", name) for name in splits]


def _below(folder: str, pair: FolderPair) -> FolderPair:
    return FolderPair(f"{folder}/{pair.images}", f"{folder}/{pair.masks}", folder)


def _mixed(root: Path) -> list[FolderPair]:
    """Images and masks in one folder, told apart by the ends of their names: ``x.jpg`` and ``x_mask.png``."""
    if masks_beside(root):
        return [FolderPair("", "")]
    return [FolderPair(name, name, name) for name in subfolders(root) if split_name(name) and masks_beside(root / name)]


def masks_beside(folder: Path) -> list[str]:
    """The names in a folder that are those of masks of images beside them."""
    names = [entry.name for entry in scan(folder) if not entry_is_folder(entry) and is_image_name(entry.name)]
    return masks_among([name for name in names if not is_junk_file(name)])


def _some_files(folder: Path, depth: int) -> Iterator[str]:
    """The names of files in a folder and near below it."""
    if not depth or not os.path.isdir(folder):
        return
    entries = scan(folder)
    yield from (entry.name for entry in entries if not entry_is_folder(entry) and not is_junk_file(entry.name))
    for entry in sorted(entries, key=lambda entry: entry.name)[:_PROBED]:
        if entry_is_folder(entry) and not is_junk_folder(entry.name):
            yield from _some_files(folder / entry.name, depth - 1)
