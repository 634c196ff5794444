"""Places text labels on a picture: always inside it, and not over each other if that can be avoided.

The pictures of detection and segmentation use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import PIL.ImageDraw

from vlmbench.visuals.canvas import Image
from vlmbench.visuals.colours import Colour, ink_on
from vlmbench.visuals.text import Font, fitting

_PADDING = 3
_WIDEST = 0.6
"""The share of the picture's width that one label may take."""

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class TextLabel:
    """One label.

    Attributes:
        text: already legible.
        colour: of its background.
        places: (x, y) where the label may be, the best first: its top left corner, or its middle.
        centred: ``places`` are for its middle.
    """

    text: str
    colour: Colour
    places: Sequence[tuple[float, float]]
    centred: bool = False
    may_overlap: bool = True
    """If there is no free place, draw it over other labels instead of leaving it out."""


def place_labels(picture: Image, labels: Sequence[TextLabel], face: Font) -> list[Rectangle]:
    """Draw labels in their order. Returns the rectangle of each (left, top, right, bottom).

    Each label is put at the first of its places that overlaps no earlier label, else at the place with least overlap.
    """
    draw = PIL.ImageDraw.Draw(picture)
    taken: list[Rectangle] = []
    for label in labels:
        text = fitting(label.text, _WIDEST * picture.width, face)
        if not text:
            continue
        size = face.getlength(text) + 2 * _PADDING, face.size + 2 * _PADDING
        options = [_inside(place, size, label.centred, picture.size) for place in label.places]
        chosen = min(options, key=lambda option: sum(_overlap(option, other) for other in taken))
        if not label.may_overlap and any(_overlap(chosen, other) for other in taken):
            continue
        taken.append(chosen)
        draw.rectangle(chosen, fill=label.colour, outline=ink_on(label.colour), width=1)
        middle = (chosen[0] + chosen[2]) / 2, (chosen[1] + chosen[3]) / 2
        draw.text(middle, text, fill=ink_on(label.colour), font=face, anchor="mm")
    return taken


def _inside(place: tuple[float, float], size: tuple[float, float], centred: bool, bounds: tuple[int, int]) -> Rectangle:
    """The label's rectangle, moved into the picture."""
    corner = [
        min(max(0.0, spot - length / 2 if centred else spot), max(0.0, bound - 1 - length))
        for spot, length, bound in zip(place, size, bounds, strict=True)
    ]
    return corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]


def _overlap(one: Rectangle, other: Rectangle) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
