"""Masks: the tint of a region is its class's colour, ignored pixels are grey, and nothing hostile breaks it."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from visuals.inputs import HOSTILE, near, opened

from vlmbench.visuals.colours import class_colour
from vlmbench.visuals.masks import TINT, draw_masks


def tinted(index: int, grey: int = 0) -> tuple[int, int, int]:
    red, green, blue = (round(TINT * part + (1 - TINT) * grey) for part in class_colour(index))
    return red, green, blue


def test_regions_have_their_classes_colours() -> None:
    true = np.zeros((100, 100), dtype=np.int64)
    true[:, 50:] = 1
    predicted = np.full((100, 100), 2)
    image = opened(draw_masks(PIL.Image.new("RGB", (100, 100)), predicted, true, ["", "", ""], ignore_label=255))
    half, whole = 440 * 440 / 2, 440 * 440
    assert 0.9 * half < near(image, tinted(0)) < half
    assert 0.9 * half < near(image, tinted(1)) < half
    assert 0.9 * whole < near(image, tinted(2)) < whole
    assert near(image, tinted(3)) == 0
    left, right = (image.crop((0, 0, x, image.height)) for x in (16 + 440 + 16 + 440, image.width))
    assert near(left, tinted(2)) == 0 < near(right, tinted(2))  # the prediction is the last panel


def test_background_is_not_tinted_and_ignored_pixels_are_grey() -> None:
    mask = np.zeros((60, 60), dtype=np.uint8)
    mask[:30] = 255
    names = ["background", "cat"]
    image = opened(draw_masks(PIL.Image.new("RGB", (60, 60), "red"), mask, mask, names, ignore_label=255))
    assert near(image, tinted(0, 76)) == 0 and near(image, class_colour(0)) == 0
    panel = np.asarray(image)[45:255, 480:900]  # the truth's upper half
    assert (panel.max(axis=2) == panel.min(axis=2)).all() and len(np.unique(panel)) > 1


def test_equal_input_gives_equal_bytes() -> None:
    mask = np.arange(24).reshape(4, 6) % 5
    drawn = [draw_masks(PIL.Image.new("L", (6, 4)), mask, mask, list("abcde"), ignore_label=9) for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("size", [(1, 1), (10_000, 50), (50, 3000), (7, 200)])
@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "I;16"])
def test_any_size_and_name(size: tuple[int, int], mode: str) -> None:
    width, height = size
    mask = np.add.outer(np.arange(height), np.arange(width) * len(HOSTILE) // width) % len(HOSTILE)
    opened(draw_masks(PIL.Image.new(mode, size), mask, mask, HOSTILE, ignore_label=255, title=HOSTILE[0]))


def test_many_classes_in_one_picture() -> None:
    mask = np.arange(40 * 25).reshape(40, 25)
    names = [f"class {index}" for index in range(1000)]
    opened(draw_masks(PIL.Image.new("RGB", (25, 40)), mask, mask, names, ignore_label=-1))


def test_masks_that_do_not_fit_are_refused() -> None:
    image, mask = PIL.Image.new("RGB", (3, 2)), np.zeros((2, 3), dtype=int)
    with pytest.raises(ValueError, match=r"predicted mask is \(3, 2\)"):
        draw_masks(image, mask.T, mask, ["a"], ignore_label=255)
    with pytest.raises(ValueError, match="true mask has 1, of 1 classes"):
        draw_masks(image, mask, mask + 1, ["a"], ignore_label=255)
