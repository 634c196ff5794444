"""The reader's images with masks of the values 0, 127, 200 and 255."""

from __future__ import annotations

from pathlib import Path

from data.layouts import write_folder
from data.mask_files import filled, picture


def prepare(folder: Path) -> None:
    names = dict(enumerate((0, 127, 200, 255)))
    images = {f"images/{number}.jpg": picture(number) for number in names}
    masks = {f"masks/{number}_v2.png": filled(value) for number, value in names.items()}
    write_folder(folder / "scenes", {**images, **masks})
