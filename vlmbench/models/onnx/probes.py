"""Makes the few pictures and texts with which a graph is tried when it is loaded. The checks use them."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageDraw

TEXTS = (
    "a photo of a cat",
    "a dog",
    "three red bicycles in front of an old brick wall",
    "text",
    "a green circle to the left of a blue square",
    "the sky",
)
"""Texts of different lengths, so that padding shows its effect."""
_SIDE = 256
_SEED = 0


def pictures() -> list[PIL.Image.Image]:
    """Six pictures with little in common. They are the same on every machine."""
    across = PIL.Image.linear_gradient("L")
    round_ = PIL.Image.radial_gradient("L")
    noise = np.random.default_rng(_SEED).integers(0, 256, (_SIDE // 8, _SIDE // 8, 3), dtype=np.uint8)
    return [
        PIL.Image.merge("RGB", (across, across.rotate(90), round_)),
        _disc("navy", "orange"),
        _disc("white", "black"),
        PIL.Image.fromarray(noise).resize((_SIDE, _SIDE), PIL.Image.Resampling.NEAREST),
        PIL.Image.merge("RGB", (round_, round_, across.rotate(180))),
        _stripes("darkgreen", "lightyellow"),
    ]


def _disc(ground: str, colour: str) -> PIL.Image.Image:
    picture = PIL.Image.new("RGB", (_SIDE, _SIDE), ground)
    quarter = _SIDE // 4
    PIL.ImageDraw.Draw(picture).ellipse((quarter, quarter, 3 * quarter, 3 * quarter), fill=colour)
    return picture


def _stripes(ground: str, colour: str) -> PIL.Image.Image:
    picture, width = PIL.Image.new("RGB", (_SIDE, _SIDE), ground), _SIDE // 8
    draw = PIL.ImageDraw.Draw(picture)
    for left in range(0, _SIDE, 2 * width):
        draw.rectangle((left, 0, left + width - 1, _SIDE), fill=colour)
    return picture
