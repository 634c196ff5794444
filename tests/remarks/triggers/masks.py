"""What makes remarks of segmentation masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.mask_files import SIZE, coloured_palette, png, write_pairs
from remarks.trigger import Arguments, Trigger, lines, masks

ALL = {"a": 0, "b": 1, "c": 2}


def black_and_white(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    mask = np.zeros(SIZE[::-1], np.uint8)
    mask[0] = 255
    write_pairs(top / "set", {name: png(mask) for name in "ab"})
    names = lines(top / "names.txt", "sky", "sea")
    return ("-m", "toy-dense:patches", "-t", f"masks:{top / 'set'}", "--classnames", names)


def palettes(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    arguments = masks(top, ALL)
    values = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE[::-1]) % 3
    for name, colours in (("a", [0, 0, 0, 9, 9, 0, 8, 8, 0]), ("b", [0, 0, 0, 8, 8, 0, 9, 9, 0])):
        (top / f"set/masks/{name}.png").write_bytes(coloured_palette(values, colours))
    return arguments


TRIGGERS = {
    "mask-values-assumed": Trigger(
        black_and_white,
        "the masks of masks '{top}/set' hold only the values 0 and 255 (2 of 2 were looked at), so 255 was read as "
        "the second of two classes; to state it, write `values: [0, 255]` in a card",
        "255 read as class 1",
        2,
    ),
    "mask-palettes-differ": Trigger(
        palettes,
        "1 mask has another colour for a value than the first mask has; if the colours mean classes and not the "
        "values, list them in a card as `colours`: b.jpg",
        "palettes differ in 1 mask",
    ),
    "void-masks": Trigger(
        lambda top, _: masks(top, {**ALL, "d": 255}),
        "1 mask has no pixel to score: d.jpg",
        "1 mask without a scored pixel",
    ),
}
