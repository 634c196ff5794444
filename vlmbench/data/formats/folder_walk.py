"""Walks folders for the files that a source reads, and counts all other files. All sources that search folders use it.

One rule holds for them: every file that is found is read, or a remark counts it, or the folder is refused.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from heapq import nsmallest
from pathlib import Path

from vlmbench.data.formats.decode import CONVERT_HEIC
from vlmbench.data.formats.image_suffixes import HEIC_SUFFIXES
from vlmbench.data.image_files import readable
from vlmbench.errors import DataError
from vlmbench.remarks.base import EXAMPLES, say
from vlmbench.remarks.codes import FILES_PASSED_OVER
from vlmbench.wording import counted, either

JUNK_FOLDERS = frozenset(
    (
        *("__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information", "#recycle", "@recycle"),
        *("@__thumb", "@recently-snapshot", "@sharebin", "@tmp", "#snapshot", "~snapshot", "$extend", "recycler"),
        *("found.000", "lost.dir", "network trash folder", "temporary items", "__pycache__", ".ipynb_checkpoints"),
    )
)
"""Names of folders that systems and programs leave behind, in lower case. They are never classes."""
JUNK_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
"""Names of files that systems leave behind, in lower case."""
_OF_HEIC = f"in HEIC, which Pillow cannot read: convert them {CONVERT_HEIC}"
_MOST_SUFFIXES = 4


def is_junk_folder(name: str) -> bool:
    """Whether a folder of this name is hidden, or a system or program left it behind."""
    return name.startswith(".") or name.lower() in JUNK_FOLDERS


def is_junk_file(name: str) -> bool:
    """Whether a file of this name is hidden, or a system left it behind."""
    return name.startswith(".") or name.lower() in JUNK_FILES


@dataclass
class PassedOver:
    """Counts the files of a dataset that are not read, by reason. At the end the source makes one remark of them."""

    reasons: Counter[str] = field(default_factory=Counter)
    suffixes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.reasons.total() + self.suffixes.total()

    def add(self, reason: str, path: str) -> None:
        """Count a file that is not read. The reason must fit after a number: "hidden", "without a mask"."""
        self.reasons[reason] += 1
        self._example(path)

    def add_suffix(self, path: str) -> None:
        """Count a file that is not read because of the ending of its name."""
        suffix = os.path.splitext(path)[1].lower()
        if suffix in HEIC_SUFFIXES:
            self.reasons[_OF_HEIC] += 1
        else:
            self.suffixes[suffix] += 1
        self._example(path)

    def add_all(self, other: PassedOver) -> None:
        """Count everything that another count has."""
        self.reasons.update(other.reasons)
        self.suffixes.update(other.suffixes)
        self.examples = nsmallest(EXAMPLES, {*self.examples, *other.examples})

    def _example(self, path: str) -> None:
        self.examples = nsmallest(EXAMPLES, {*self.examples, readable(path)})

    @property
    def reasons_in_words(self) -> str:
        """Each reason with its number: "1 hidden; 2 of other kinds: 2 .txt"."""
        parts = [f"{count:,} {reason}" for reason, count in sorted(self.reasons.items())]
        if self.suffixes:
            most = nsmallest(_MOST_SUFFIXES, self.suffixes.items(), key=lambda item: (-item[1], item[0]))
            listed = ", ".join(f"{count:,} {readable(suffix) or 'without an ending'}" for suffix, count in most)
            rest = ", …" if len(self.suffixes) > _MOST_SUFFIXES else ""
            parts.append(f"{self.suffixes.total():,} of other kinds: {listed}{rest}")
        return "; ".join(parts)

    def say(self, place: str) -> None:
        """Make a remark about all files that were passed over, if there are any."""
        if self.count:
            what = counted(self.count, "file")
            say(
                FILES_PASSED_OVER,
                f"{what} of {place} {either(self.count, 'was', 'were')} passed over ({self.reasons_in_words})",
                brief=f"{what} passed over",
                count=self.count,
                examples=self.examples,
            )


@dataclass
class FolderWalk:
    """Walks folders for the files that a source reads, and counts every other file.

    Links are followed, except those that lead back to a folder above.

    Attributes:
        root: the folder to which all paths are relative.
        wanted: whether a file of this name is read.
        passed: counts the files that are not read.
        apart: paths of folders below the root that this walk leaves out, because another walk visits them.
    """

    root: Path
    wanted: Callable[[str], bool]
    passed: PassedOver = field(default_factory=PassedOver)
    apart: frozenset[str] = frozenset()

    def files(self, folder: str = "") -> list[str]:
        """The wanted files below one of the root's folders, as sorted POSIX paths relative to the root.

        Raises:
            DataError: a folder cannot be read.
        """
        found: list[str] = []
        self._walk(self.root / folder, folder, self._above, found)
        return sorted(found)

    def loose_files(self) -> list[str]:
        """The wanted files directly in the root, sorted. Every other file there is counted as passed over."""
        names = [entry.name for entry in scan(self.root) if not entry_is_folder(entry)]
        return sorted(name for name in names if self.wants(name, name))

    def junk(self, folder: str) -> None:
        """Count every file below a hidden or system folder as passed over."""
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
                found.append(path)  # broken links too: they become bad samples, which are reported

    def wants(self, name: str, path: str) -> bool:
        """Whether a file is read. If it is not, it is counted as passed over."""
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
        except DataError:  # only the administrator may read some system folders, such as lost+found
            self.passed.add("in hidden or system folders that cannot be read", prefix)
            return
        for entry in entries:
            path = f"{prefix}/{entry.name}"
            if entry_is_folder(entry):
                self._count_all(folder / entry.name, path, above | {here})
            else:
                self.passed.add("in hidden or system folders", path)


def entry_is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to a folder.

    ``entry.is_dir()`` alone would raise an error for a link to itself. Only links need another look at the disk: for
    all other entries the listing states their kind.
    """
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir(follow_symlinks=False)


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, hidden ones included.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError as error:
        raise DataError(f"folder {folder} cannot be read: {error.strerror or error}") from error


def visible(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, without hidden ones and those that systems and programs leave behind.

    Raises:
        DataError: it cannot be read.
    """
    return [
        entry for entry in scan(folder) if not (is_junk_folder if entry_is_folder(entry) else is_junk_file)(entry.name)
    ]


def identity(folder: Path) -> tuple[int, int]:
    """The device and the inode of a folder, which are the same for every path that leads to it."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def identities_above(root: Path) -> frozenset[tuple[int, int]]:
    """The identities of the root and of every folder above it. A link to one of them from below leads in a circle."""
    return frozenset(identity(folder) for folder in (root, *root.resolve().parents))


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, without hidden ones and those that systems leave behind.

    Raises:
        DataError: it cannot be read.
    """
    return sorted(entry.name for entry in visible(folder) if entry_is_folder(entry))
