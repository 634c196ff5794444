"""The words and the plain data of rendered scenes: what can be drawn, and what one scene consists of.

Geometry is in units of the image's side, with the origin at the top left and y pointing down, so one specification
renders at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[float, float, float]
Point = tuple[float, float]

COLOURS: dict[str, RGB] = {
    "red": (0.85, 0.13, 0.13),
    "orange": (0.97, 0.52, 0.08),
    "yellow": (0.97, 0.87, 0.15),
    "green": (0.15, 0.65, 0.22),
    "cyan": (0.20, 0.80, 0.85),
    "blue": (0.13, 0.27, 0.85),
    "purple": (0.50, 0.18, 0.66),
    "pink": (0.97, 0.52, 0.76),
}
SHAPES: tuple[str, ...] = (
    "circle",
    "square",
    "triangle",
    "star",
    "cross",
    "ring",
    "heart",
    "crescent",
    "diamond",
    "hexagon",
)
TEXTURES: tuple[str, ...] = ("plain", "striped", "dotted", "checkered")

_HELD_OUT_COLOURS: dict[str, tuple[str, str]] = {
    "circle": ("red", "green"),
    "square": ("orange", "cyan"),
    "triangle": ("yellow", "blue"),
    "star": ("green", "purple"),
    "cross": ("cyan", "pink"),
    "ring": ("blue", "red"),
    "heart": ("purple", "orange"),
    "crescent": ("pink", "yellow"),
    "diamond": ("red", "blue"),
    "hexagon": ("orange", "purple"),
}
HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    (colour, shape) for shape, colours in _HELD_OUT_COLOURS.items() for colour in colours
)
"""(colour, shape) pairs that no training image shows and no training caption names.

Every shape loses two colours and every colour two or three shapes, so each word is learnt, but a held-out pair can be
named only by composing what was learnt apart. The ``scenes`` evaluation set shows these pairs and no other.
"""

COMBINATIONS: tuple[tuple[str, str], ...] = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
"""All (colour, shape) pairs, colours outermost."""


@dataclass(frozen=True)
class ShapeSpec:
    """One geometric object, ``radius`` from its centre to about its outermost points."""

    shape: str
    colour: str
    texture: str
    centre: Point
    radius: float
    rotation: float
    """Radians, positive from the x axis towards the y axis (clockwise on screen)."""
    fill: RGB
    """The colour as drawn: the named colour with a little jitter, in [0, 1]."""
    accent: RGB
    """The second tone of a texture, in [0, 1]."""
    texture_scale: float
    """Texture periods per radius."""


@dataclass(frozen=True)
class BackgroundSpec:
    """``start`` to ``end`` along ``angle`` (equal ends: plain), plus seeded value noise of ``noise`` amplitude."""

    start: RGB
    end: RGB
    angle: float
    noise: float
    noise_cells: int
    noise_seed: int


@dataclass(frozen=True)
class SceneSpec:
    """A scene before rendering; later objects occlude earlier ones."""

    background: BackgroundSpec
    objects: tuple[ShapeSpec, ...]
