"""The image files that a file of captions names, though it may spell them otherwise than the disk does."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlmbench.data.formats.image_suffixes import is_image_name


@dataclass
class LikeNames:
    """Finds images whose names are not there as they stand: in another letter case, with another suffix of an image or
    none, and without leading folders. What may be more than one file is not found.

    Attributes:
        folders: where images are.
    """

    folders: Sequence[Path]
    _listed: dict[Path, dict[str, list[str]]] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Path, str] | None:
        """The folder of the only image of a like name, and its POSIX path below that."""
        parts = PurePosixPath(name).parts
        for start in range(len(parts)):
            below, last = PurePosixPath(*parts[start:-1]), parts[-1]
            for key in (last.casefold(), _stem(last).casefold()):
                found = [
                    (folder, (below / own).as_posix())
                    for folder in self.folders
                    for own in self._in(folder / below).get(key, ())
                ]
                if found:
                    return found[0] if len(found) == 1 else None
        return None

    def _in(self, folder: Path) -> dict[str, list[str]]:
        """The images in a folder by their names, and by their names without a suffix, in lower case."""
        if folder not in self._listed:
            keys: dict[str, list[str]] = defaultdict(list)
            if folder.is_dir():
                for name in sorted(os.listdir(folder)):
                    if is_image_name(name) and not name.startswith("."):
                        for key in {name.casefold(), _stem(name).casefold()}:
                            keys[key].append(name)
            self._listed[folder] = keys
        return self._listed[folder]


def _stem(name: str) -> str:
    """A name without the suffix of an image; other dots may be a part of it."""
    return os.path.splitext(name)[0] if is_image_name(name) else name
