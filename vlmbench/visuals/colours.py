"""A colour for every class index: the same in every picture, and apart from its neighbours for most eyes.

The first seven are Okabe and Ito's, made to be told apart under every kind of colour blindness (B. Wong, "Points of
view: Color blindness", Nature Methods 8, 441, 2011), without their black. After those, hues go round by the golden
angle while lightness goes through three steps, since lightness is what every eye sees. No hundred colours can all be
told apart: pictures also write names.
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
"""Blue and vermilion: the pair that red-green blindness leaves far apart. Ticks and crosses say it too."""

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
    """Dark or light text, whichever has the higher contrast on this colour."""
    own = _luminance(colour)
    dark, light = ((max(own, _luminance(ink)) + 0.05) / (min(own, _luminance(ink)) + 0.05) for ink in (INK, PAPER))
    return INK if dark > light else PAPER


def _luminance(colour: Colour) -> float:
    """WCAG 2's relative luminance."""
    red, green, blue = (
        ((part / 255 + 0.055) / 1.055) ** 2.4 if part > 0.04045 * 255 else part / 255 / 12.92 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
