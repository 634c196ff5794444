"""What the reader has: a folder of images for each class, and one whose folders are numbers."""

from pathlib import Path

from docs.reader import photographs


def prepare(folder: Path) -> None:
    photographs(folder / "photos", "cat", "sea_lion")
    photographs(folder / "numbered", "0", "1")
