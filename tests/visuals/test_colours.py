"""Colours: stable, all different, and apart."""

from __future__ import annotations

import numpy as np

from vlmbench.visuals.colours import OKABE_ITO, class_colour, ink_on, palette


def luminance(colour: tuple[int, int, int]) -> float:
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_first_are_okabe_and_itos_and_none_repeats() -> None:
    assert tuple(class_colour(index) for index in range(7)) == OKABE_ITO
    colours = palette(150)
    assert len(np.unique(colours, axis=0)) == 150
    assert palette(1000).shape == (1000, 3) and palette(0).shape == (0, 3)
    near = np.abs(colours[:21, None].astype(int) - colours[None, :21]).sum(axis=2)
    assert near[~np.eye(21, dtype=bool)].min() > 40  # VOC's classes


def test_words_have_contrast_on_every_colour() -> None:
    for index in range(300):
        colour = class_colour(index)
        light, dark = sorted((luminance(colour), luminance(ink_on(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 3.9, (index, colour)
