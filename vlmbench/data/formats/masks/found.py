"""What lies in a folder that is no dataset of images and masks, in words: the message that refuses it says so."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vlmbench.data.formats.folder_walk import entry_is_folder, is_junk_folder, scan, subfolders
from vlmbench.data.formats.masks.folders import FolderPair, folder_pairs, list_files
from vlmbench.data.image_files import readable
from vlmbench.data.location import argument

_MOST_FOLDERS = 6
_MOST_SUFFIXES = 4
_MOST_FILES = 10_000
"""Files of a folder that are counted: a message is no reason to walk for minutes."""
_EXPECTED = (
    "Expected: images/ and masks/ (or JPEGImages/ and SegmentationClass/, img/ and labels/, …) with files of one name. "
    "Folders of other names are stated in a card's source, as options: {images: …, masks: …}."
)


def what_lies_in(root: Path) -> str:
    """The folders directly in a folder and how many files of which ending are below each, as the end of a sentence."""
    entries = sorted(scan(root), key=lambda entry: entry.name)
    folders = [entry.name for entry in entries if entry_is_folder(entry) and not is_junk_folder(entry.name)]
    parts = [f"{readable(name)}/ ({_counted(root / name)})" for name in folders[:_MOST_FOLDERS]]
    if len(folders) > _MOST_FOLDERS:
        parts.append(f"{len(folders) - _MOST_FOLDERS:,} more folders")
    if loose := Counter(_suffix(entry.name) for entry in entries if not entry_is_folder(entry)):
        parts.append(f"{_suffixes(loose)} directly in it")
    return ", ".join(parts) or "nothing"


def files_in(root: Path, folders: Sequence[str]) -> str:
    """How many files of which ending are below each of some folders, if all are there; else nothing."""
    if not all((root / folder).is_dir() for folder in folders):
        return ""
    return ", ".join(f"{readable(folder or '.')}/ ({_counted(root / folder)})" for folder in folders)


def where_else(root: Path, kind: str) -> str:
    """What to do if a folder is none: the commands for the datasets in it, else what was expected.

    Args:
        kind: the source's name, for the commands.
    """
    if inside := [root / name for name in subfolders(root) if folder_pairs(root / name)]:
        return f"A folder in it has them: {_either([argument(kind, path) for path in inside])}."
    return _EXPECTED


def commands_of(root: Path, pairs: Sequence[FolderPair], kind: str) -> str:
    """The commands that name one of several splits each."""
    found = []
    for pair in pairs:
        whole = pair.images.rpartition("/")[0] == pair.split and not pair.list
        found.append(argument(kind, root / (pair.list or (pair.split if whole else pair.images))))
    return _either(found)


def lists_of(root: Path, pair: FolderPair) -> list[FolderPair]:
    """A pair of folders once for each list of names of its dataset; itself if there are none."""
    lists = [] if "/" in pair.images else list_files(root)
    return [FolderPair(pair.images, pair.masks, Path(file).stem, file) for file in lists] or [pair]


def _either(commands: Sequence[str]) -> str:
    shown = list(commands[:_MOST_FOLDERS])
    return " or ".join(shown) + (" or …" if len(commands) > len(shown) else "")


def _counted(folder: Path) -> str:
    counts: Counter[str] = Counter()
    for _, _, names in os.walk(folder):
        counts.update(_suffix(name) for name in names)
        if counts.total() > _MOST_FILES:
            return f"more than {_MOST_FILES:,} files"
    return _suffixes(counts) or "empty"


def _suffixes(counts: Counter[str]) -> str:
    listed = [f"{count:,} {readable(suffix)}" for suffix, count in counts.most_common(_MOST_SUFFIXES)]
    return ", ".join(listed) + (", …" if len(counts) > _MOST_SUFFIXES else "")


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower() or "without an ending"
