"""What the README's reader has: a checkpoint and images."""

from pathlib import Path

from docs.reader import photographs, save, weights


def prepare(folder: Path) -> None:
    save(folder / "path/to/checkpoint.pt", weights("ViT-B-32"))
    photographs(folder / "path/to/images", "cat", "dog")
