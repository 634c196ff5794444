"""Chooses a colour for every class index, the same in every picture, that most people can tell from its neighbours.

All pictures with classes use it. The first seven are the colours of Okabe and Ito without their black. They can be told
apart with every kind of colour blindness (B. Wong, "Points of view: Color blindness", Nature Methods 8, 441, 2011).
Later colours change the hue by the golden angle and the lightness in three steps, because everybody sees lightness. A
hundred colours cannot all be told apart, so pictures also show names.
"""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

OKABE_ITO: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
INK: Colour = (33, 37, 41)
FAINT: Colour = (108, 117, 125)
PAPER: Colour = (255, 255, 255)
PALE: Colour = (233, 236, 239)
RIGHT: Colour = (0, 114, 178)
WRONG: Colour = (213, 94, 0)
"""Blue and vermilion, which people with red-green blindness can tell apart. Ticks and crosses show the same."""

_GOLDEN_ANGLE = 0.381966
_LIGHTNESS = (0.42, 0.72, 0.56)
_SATURATION = (0.85, 0.75, 0.55)


@lru_cache(maxsize=4096)
def class_colour(index: int) -> Colour:
    """The colour of a class index, 0 and above."""
    if index < len(OKABE_ITO):
        return OKABE_ITO[index]
    step = index - len(OKABE_ITO)
    hue = (0.02 + step * _GOLDEN_ANGLE) % 1
    red, green, blue = colorsys.hls_to_rgb(hue, _LIGHTNESS[step % 3], _SATURATION[step // 3 % 3])
    return round(255 * red), round(255 * green), round(255 * blue)


def palette(classes: int) -> NDArray[np.uint8]:
    """(C, 3) colours of the first C classes."""
    return np.array([class_colour(index) for index in range(classes)], dtype=np.uint8).reshape(-1, 3)


def ink_on(colour: Colour) -> Colour:
    """Dark or light text: the one with the higher contrast on this colour."""
    own = _luminance(colour)
    dark, light = ((max(own, _luminance(ink)) + 0.05) / (min(own, _luminance(ink)) + 0.05) for ink in (INK, PAPER))
    return INK if dark > light else PAPER


def _luminance(colour: Colour) -> float:
    """WCAG 2's relative luminance."""
    red, green, blue = (
        ((part / 255 + 0.055) / 1.055) ** 2.4 if part > 0.04045 * 255 else part / 255 / 12.92 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
