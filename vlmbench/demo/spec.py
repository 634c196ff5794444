"""Defines the words and the data of rendered scenes: what can be drawn, and what a scene consists of.

Lengths are in units of the image's side. The origin is at the top left, and y points down. So a scene can be rendered
at any size. The other modules of the demo and its training (``docs/demo_clip``) use it.
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
"""Pairs (colour, shape) that no training image shows and no training caption names.

Each shape lacks two colours, and each colour lacks two or three shapes. So a model learns every word, but to name a
held-out pair it must combine words that it learnt separately. The evaluation set ``scenes`` shows only these pairs.
"""

COMBINATIONS: tuple[tuple[str, str], ...] = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
"""All pairs (colour, shape), sorted by colour, then by shape."""


@dataclass(frozen=True)
class ShapeSpec:
    """One geometric object. Its outermost points are about ``radius`` from its centre."""

    shape: str
    colour: str
    texture: str
    centre: Point
    radius: float
    rotation: float
    """The angle in radians, positive from the x axis towards the y axis (clockwise on a screen)."""
    fill: RGB
    """The drawn colour, in [0, 1]: the named colour with a small random change."""
    accent: RGB
    """The second tone of the texture, in [0, 1]."""
    texture_scale: float
    """The number of texture periods per radius."""


@dataclass(frozen=True)
class BackgroundSpec:
    """A background: a gradient from ``start`` to ``end`` along ``angle``, and seeded noise of the amplitude ``noise``.

    If ``start`` and ``end`` are equal, there is no gradient.
    """

    start: RGB
    end: RGB
    angle: float
    noise: float
    noise_cells: int
    noise_seed: int


@dataclass(frozen=True)
class SceneSpec:
    """A scene before rendering. Later objects cover earlier ones."""

    background: BackgroundSpec
    objects: tuple[ShapeSpec, ...]
