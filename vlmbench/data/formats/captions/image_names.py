"""Finds image files whose names in a caption file differ a little from their names on the disk.

The source ``captions`` uses it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vlmbench.data.formats.image_suffixes import is_image_name


@dataclass
class LikeNames:
    """Finds an image by a similar name: in another letter case, with another suffix or none, or without leading
    folders.

    If several files could be meant, it finds none of them.

    Attributes:
        folders: the folders that may hold the image.
    """

    folders: Sequence[Path]
    _listed: dict[Path, dict[str, list[str]]] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Path, str] | None:
        """The only image with a similar name: its folder, and its POSIX path below it. None without such a file."""
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
        """The images in a folder, by their names in lower case with and without the suffix."""
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
    """A name without the suffix of an image. Other endings, such as ``.v2``, belong to the name."""
    return os.path.splitext(name)[0] if is_image_name(name) else name
