"""The files below a folder: those that are wanted, and a count of all others.

One rule holds for every source that looks into folders: *read + remarked + refused = all files found*.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from heapq import nsmallest
from pathlib import Path

from vlmbench.data.image_files import readable
from vlmbench.errors import DataError
from vlmbench.remarks.base import EXAMPLES, say
from vlmbench.remarks.codes import FILES_PASSED_OVER

JUNK_FOLDERS = frozenset(
    (
        *("__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information", "#recycle", "@recycle"),
        *("@__thumb", "@recently-snapshot", "@sharebin", "@tmp", "#snapshot", "~snapshot", "$extend", "recycler"),
        *("found.000", "lost.dir", "network trash folder", "temporary items", "__pycache__", ".ipynb_checkpoints"),
    )
)
"""Folders that systems and programs leave behind, in lower case. None of them is a class."""
JUNK_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
"""Files that they leave behind, in lower case."""
_MOST_SUFFIXES = 4


def is_junk_folder(name: str) -> bool:
    """Whether a folder of this name is hidden, or one that a system or program left behind."""
    return name.startswith(".") or name.lower() in JUNK_FOLDERS


def is_junk_file(name: str) -> bool:
    """Whether a file of this name is hidden, or one that a system left behind."""
    return name.startswith(".") or name.lower() in JUNK_FILES


@dataclass
class PassedOver:
    """The files of a dataset that are not read, counted by reason until the source has seen all."""

    reasons: Counter[str] = field(default_factory=Counter)
    suffixes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.reasons.total() + self.suffixes.total()

    def add(self, reason: str, path: str) -> None:
        """A file is passed over. The reason goes on behind a number: "hidden", "without a mask"."""
        self.reasons[reason] += 1
        self._example(path)

    def add_suffix(self, path: str) -> None:
        """A file is passed over for the ending of its name."""
        self.suffixes[os.path.splitext(path)[1].lower()] += 1
        self._example(path)

    def _example(self, path: str) -> None:
        self.examples = nsmallest(EXAMPLES, {*self.examples, readable(path)})

    @property
    def reasons_in_words(self) -> str:
        """Each reason with its number: "1 hidden; 2 of another kind by their names: 2 .txt"."""
        parts = [f"{count:,} {reason}" for reason, count in sorted(self.reasons.items())]
        if self.suffixes:
            most = nsmallest(_MOST_SUFFIXES, self.suffixes.items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{count:,} {readable(suffix) or 'without an ending'}" for suffix, count in most)
            rest = ", …" if len(self.suffixes) > _MOST_SUFFIXES else ""
            parts.append(f"{self.suffixes.total():,} of another kind by their names: {listed}{rest}")
        return "; ".join(parts)

    def say(self, place: str) -> None:
        """Make a remark of all that was passed over, if anything was."""
        if not self.count:
            return
        one = self.count == 1
        say(
            FILES_PASSED_OVER,
            f"{self.count:,} file{'s' * (not one)} of {place} {'was' if one else 'were'} passed over "
            f"({self.reasons_in_words})",
            brief=f"{self.count:,} file{'s' * (not one)} passed over",
            count=self.count,
            examples=self.examples,
        )


@dataclass
class FolderWalk:
    """Walks folders for the files that are wanted, and counts every other.

    Links are followed, but for those that lead back to a folder above.

    Attributes:
        root: the folder that paths are relative to.
        wanted: whether a file of this name is read.
        passed: what is not.
        apart: paths of folders below the root that are walked by themselves, and passed by here.
    """

    root: Path
    wanted: Callable[[str], bool]
    passed: PassedOver = field(default_factory=PassedOver)
    apart: frozenset[str] = frozenset()

    def files(self, folder: str = "") -> list[str]:
        """The POSIX paths below the root of all wanted files below one of its folders, sorted.

        Raises:
            DataError: a folder cannot be read.
        """
        found: list[str] = []
        self._walk(self.root / folder, folder, self._above, found)
        return sorted(found)

    def loose_files(self) -> list[str]:
        """The wanted files that lie directly in the root, sorted; every other file there is counted as passed over."""
        names = [entry.name for entry in scan(self.root) if not entry_is_folder(entry)]
        return sorted(name for name in names if self.wants(name, name))

    def junk(self, folder: str) -> None:
        """Count every file below a folder that holds no samples."""
        self._count_all(self.root / folder, folder, self._above)

    @cached_property
    def _above(self) -> frozenset[tuple[int, int]]:
        return identities_above(self.root)

    def _walk(self, folder: Path, prefix: str, above: frozenset[tuple[int, int]], found: list[str]) -> None:
        here = identity(folder)
        if here in above and prefix:
            return
        for entry in scan(folder):
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry_is_folder(entry):
                if is_junk_folder(entry.name):
                    self._count_all(folder / entry.name, path, above | {here})
                elif path not in self.apart:
                    self._walk(folder / entry.name, path, above | {here}, found)
            elif self.wants(entry.name, path):
                found.append(path)  # broken links too: they become bad samples that are reported

    def wants(self, name: str, path: str) -> bool:
        """Whether a file is read; one that is not is counted."""
        if is_junk_file(name):
            self.passed.add("hidden" if name.startswith(".") else "of the system's", path)
            return False
        if not self.wanted(name):
            self.passed.add_suffix(path)
            return False
        return True

    def _count_all(self, folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        here = identity(folder)
        if here in above:
            return
        try:
            entries = scan(folder)
        except DataError:  # systems close theirs, such as lost+found, to everyone but the administrator
            self.passed.add("in hidden or system folders that cannot be read", prefix)
            return
        for entry in entries:
            path = f"{prefix}/{entry.name}"
            if entry_is_folder(entry):
                self._count_all(folder / entry.name, path, above | {here})
            else:
                self.passed.add("in hidden or system folders", path)


def entry_is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one. Not ``entry.is_dir()`` alone, which raises for a link to itself; and only
    links are looked up, since the listing says of all others what they are."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir(follow_symlinks=False)


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, hidden things included.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror or error}") from error


def visible(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, but for hidden things and those that systems and programs leave behind.

    Raises:
        DataError: it cannot be read.
    """
    return [
        entry for entry in scan(folder) if not (is_junk_folder if entry_is_folder(entry) else is_junk_file)(entry.name)
    ]


def identity(folder: Path) -> tuple[int, int]:
    """What makes a folder the same one under any path."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def identities_above(root: Path) -> frozenset[tuple[int, int]]:
    """The root and every folder above it: a link below the root to one of them leads in a circle."""
    return frozenset(identity(folder) for folder in (root, *root.resolve().parents))


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, but for hidden ones and those that systems leave behind.

    Raises:
        DataError: it cannot be read.
    """
    return sorted(entry.name for entry in visible(folder) if entry_is_folder(entry))
