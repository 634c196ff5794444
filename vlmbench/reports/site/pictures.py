"""Finds the pictures of answers beside a record, for the leaderboard's pages of models and for ``vlmbench show``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlmbench.paths import safe_name
from vlmbench.storage.mirror import bring_folder

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 24
"""Bytes to the end of a PNG's width and height (PNG specification, section 11.2.2)."""


@dataclass(frozen=True)
class Picture:
    """One picture of a record's answers.

    Attributes:
        source: the file beside the record.
        path: its path in the site.
        title: its title.
        width: in pixels, as is the height.
    """

    source: Path
    path: str
    title: str
    width: int
    height: int


def pictures(folder: Path, record_id: str) -> Iterator[Picture]:
    """The PNG files of a ``.visuals`` folder, charts before samples; links and other files are not followed.

    The folder need not exist; the record names the pictures' folder in the site.
    """
    bring_folder(folder)
    found = [path for path in folder.glob("*.png") if path.is_file() and not path.is_symlink()]
    for path in sorted(found, key=lambda path: (not path.stem.startswith(("per-class", "confusion")), path.name)):
        with path.open("rb") as file:
            header = file.read(_HEADER)
        if header.startswith(_SIGNATURE) and len(header) == _HEADER:
            width, height = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
            name = safe_name(path.name)
            yield Picture(path, f"pictures/{safe_name(record_id)}/{name}", _title(path.stem), width, height)


def _title(stem: str) -> str:
    """ "confusion-matrix" as "Confusion matrix"; of one sample's picture, which one."""
    number, _, rest = stem.partition("-")
    words = f"Sample {rest}" if number.isdigit() and rest else stem.replace("-", " ")
    return words[:1].upper() + words[1:]
