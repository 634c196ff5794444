"""What the reader has: two folders of images and masks, and two with values and names of their own."""

from pathlib import Path

import numpy as np
from data.mask_files import SIZE, picture, png, write_pairs


def halves(first: int, second: int) -> bytes:
    """A mask whose left half has one value and whose right half has another."""
    width, height = SIZE
    return png(np.repeat([[first] * (width // 2) + [second] * (width // 2)], height, axis=0))


def prepare(folder: Path) -> None:
    write_pairs(folder / "street", {"a": halves(0, 1), "b": halves(2, 1)})
    scenes = folder / "path/to/scenes"
    for number, name in enumerate(("a", "b")):
        (scenes / "images").mkdir(parents=True, exist_ok=True)
        (scenes / "masks").mkdir(parents=True, exist_ok=True)
        (scenes / "images" / f"{name}.png").write_bytes(picture(number))
        (scenes / "masks" / f"{name}_v2.png").write_bytes(halves(127, 255 if number else 200))
