"""What the reader has: images with boxes in YOLO's layout."""

from pathlib import Path

from data.box_layouts import NAMES, images, yolo
from data.layouts import write_folder


def prepare(folder: Path) -> None:
    names = {"classes.txt": "\n".join(NAMES).encode()}
    write_folder(folder / "shelf", images("images/{}.png") | yolo("labels/{}.txt") | names)
