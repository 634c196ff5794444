"""What the reader has: two folders of images."""

from pathlib import Path

from docs.reader import photographs


def prepare(folder: Path) -> None:
    photographs(folder / "photos", "apple", "pear")
