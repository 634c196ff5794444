"""Describes the content of a folder in words, for messages that refuse it because it has no images with masks.

The source ``masks`` uses it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vlmbench.data.formats.folder_walk import entry_is_folder, is_junk_folder, scan, subfolders
from vlmbench.data.formats.masks.folders import FolderPair, folder_pairs, list_files
from vlmbench.data.image_files import readable
from vlmbench.data.location import argument, one_of
from vlmbench.wording import counted, either

_MOST_FOLDERS = 6
_MOST_SUFFIXES = 4
_MOST_FILES = 10_000
"""At most this many files of a folder are counted, so that a message does not take minutes."""
_EXPECTED = (
    "Expected: images/ and masks/ (or JPEGImages/ and SegmentationClass/, img/ and labels/, …), where each mask has "
    "its image's name. For folders with other names, state them in a card's source, as options: {images: …, masks: …}."
)


def what_lies_in(root: Path) -> str:
    """The folders and files in a folder, with the number of files of each ending, as the end of a sentence."""
    entries = sorted(scan(root), key=lambda entry: entry.name)
    folders = [entry.name for entry in entries if entry_is_folder(entry) and not is_junk_folder(entry.name)]
    parts = [f"{readable(name)}/ ({_counted(root / name)})" for name in folders[:_MOST_FOLDERS]]
    if len(folders) > _MOST_FOLDERS:
        parts.append(counted(len(folders) - _MOST_FOLDERS, "more folder"))
    if loose := Counter(_suffix(entry.name) for entry in entries if not entry_is_folder(entry)):
        parts.append(f"{_suffixes(loose)} directly in it")
    return ", ".join(parts) or "nothing"


def files_in(root: Path, folders: Sequence[str]) -> str:
    """The number of files of each ending in some folders, in words; empty if one of the folders does not exist."""
    if not all((root / folder).is_dir() for folder in folders):
        return ""
    return ", ".join(f"{readable(folder or '.')}/ ({_counted(root / folder)})" for folder in folders)


def where_else(root: Path, kind: str) -> str:
    """The hint for a folder that is not a dataset: the arguments for datasets in it, or else what is expected.

    Args:
        kind: the source's name, for the commands.
    """
    if inside := [root / name for name in subfolders(root) if folder_pairs(root / name)]:
        which = either(len(inside), "A folder in it has", "Folders in it have")
        return f"{which} them: {one_of([argument(kind, path) for path in inside], _MOST_FOLDERS)}."
    return _EXPECTED


def commands_of(root: Path, pairs: Sequence[FolderPair], kind: str) -> str:
    """For a hint: the argument that names each of several splits, joined by "or"."""
    found = []
    for pair in pairs:
        whole = pair.images.rpartition("/")[0] == pair.split and not pair.list
        found.append(argument(kind, root / (pair.list or (pair.split if whole else pair.images))))
    return one_of(found, _MOST_FOLDERS)


def lists_of(root: Path, pair: FolderPair) -> list[FolderPair]:
    """A pair of folders, repeated for each list of names in its dataset. Without lists, only the pair itself."""
    lists = [] if "/" in pair.images else list_files(root)
    return [FolderPair(pair.images, pair.masks, Path(file).stem, file) for file in lists] or [pair]


def _counted(folder: Path) -> str:
    counts: Counter[str] = Counter()
    for _, _, names in os.walk(folder):
        counts.update(_suffix(name) for name in names)
        if counts.total() > _MOST_FILES:
            return f"more than {_MOST_FILES:,} files"
    return _suffixes(counts) or "empty"


def _suffixes(counts: Counter[str]) -> str:
    common = [f"{count:,} {readable(suffix)}" for suffix, count in counts.most_common(_MOST_SUFFIXES)]
    return ", ".join(common) + (", …" if len(counts) > _MOST_SUFFIXES else "")


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "without an ending"
