"""Draws random scenes from a seed, and renders them with exact boxes and masks. It uses only numpy.

``draw_scene`` chooses the content of a scene, in units of the image's side. ``render`` turns it into an image of any
size. It tests the points of a grid that is three times finer than the pixels. A pixel belongs to an object's mask if
more than half of its nine points belong to the object, so the masks of a scene never overlap. ``demo/sets.py`` and the
demo's training (``docs/demo_clip``) use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vlmbench.demo.shapes import inside_shape, is_accent
from vlmbench.demo.spec import (
    COLOURS,
    COMBINATIONS,
    HELD_OUT,
    RGB,
    TEXTURES,
    BackgroundSpec,
    SceneSpec,
    ShapeSpec,
)

TRAINING_COMBINATIONS: tuple[tuple[str, str], ...] = tuple(c for c in COMBINATIONS if c not in HELD_OUT)
MIN_VISIBLE = 0.75
"""At least this share of every object's area is visible, measured on a grid of 64 x 64 points."""

_Number = TypeVar("_Number", np.uint8, np.float32)
SUPERSAMPLE = 3  # an odd number, so that a pixel never has exactly half of its points in an object
_RADII = {1: (0.16, 0.42), 2: (0.14, 0.28), 3: (0.13, 0.22), 4: (0.12, 0.19)}
_VISIBILITY_GRID = 64


@dataclass(frozen=True)
class RenderedObject:
    """One object in the rendered picture."""

    shape: str
    colour: str
    texture: str
    box: tuple[int, int, int, int]
    """The bounds of ``mask`` in pixels: x, y, width, height."""
    mask: NDArray[np.bool_] = field(compare=False)  # arrays have no single truth value
    """The visible part of the object, (H, W)."""


@dataclass(frozen=True)
class Layer:
    """The points that one object paints, in a part of the grid."""

    window: tuple[slice, slice]
    """The rows (h) and columns (w) of this part."""
    inside: NDArray[np.bool_]
    """Which points of this part are painted, (h, w)."""
    colours: NDArray[np.float32]
    """The colour: (3,) for all points, or (points, 3)."""


def draw_scene(rng: Random, objects: int, combinations: Sequence[tuple[str, str]] = TRAINING_COMBINATIONS) -> SceneSpec:
    """Draw a scene of 1 to 4 shapes whose (colour, shape) pairs come from ``combinations``.

    In half of the scenes with several objects, two objects have the same colour and shape. So captions can often count.
    """
    while True:
        kinds = [rng.choice(combinations) for _ in range(objects)]
        if objects > 1 and rng.random() < 0.5:
            kinds[1] = kinds[0]
        scene = SceneSpec(_draw_background(rng), tuple(_draw_shape(rng, kind, objects) for kind in kinds))
        if _all_visible(scene):
            return scene


def render(spec: SceneSpec, size: int) -> tuple[NDArray[np.uint8], tuple[RenderedObject, ...]]:
    """Rasterise a scene.

    Returns:
        Pixels, (size, size, 3) uint8 RGB, and the objects in the order of ``spec.objects``.
    """
    pixels, masks = rasterise(spec.background, [_layer(item, size * SUPERSAMPLE) for item in spec.objects], size)
    return pixels, tuple(
        RenderedObject(item.shape, item.colour, item.texture, mask_bounds(mask), mask)
        for item, mask in zip(spec.objects, masks, strict=True)
    )


def rasterise(
    background: BackgroundSpec, layers: Sequence[Layer], size: int
) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """Paint layers on a grid, each over the earlier ones, then average the grid's points to pixels.

    The grid has ``SUPERSAMPLE`` x ``SUPERSAMPLE`` points for each pixel.

    Returns:
        Pixels, (size, size, 3) uint8 RGB, and for each layer the mask (size, size) of its visible part.
    """
    canvas = np.repeat(np.repeat(_paint_background(background, size), SUPERSAMPLE, 0), SUPERSAMPLE, 1)
    owner = np.zeros(canvas.shape[:2], dtype=np.uint8)
    for number, layer in enumerate(layers, start=1):
        canvas[layer.window][layer.inside] = layer.colours
        owner[layer.window][layer.inside] = number
    half = SUPERSAMPLE**2 / 2
    masks = [_points(owner == number) > half for number in range(1, len(layers) + 1)]
    return np.rint(_pool(canvas) * 255.0).astype(np.uint8), masks


def mask_bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The smallest box (x, y, width, height) around a mask of shape (H, W); zeros if the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (0, 0, 0, 0)
    x, y = int(columns[0]), int(rows[0])
    return (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def grey(level: float) -> RGB:
    """The grey colour of a level in [0, 1]."""
    return (level, level, level)


def _draw_background(rng: Random) -> BackgroundSpec:
    """Draw a background of muted greys between the two accent tones, so that every object and texture is visible."""

    def muted() -> RGB:
        level = rng.uniform(0.2, 0.85)
        r, g, b = (min(0.92, max(0.12, level + rng.uniform(-0.06, 0.06))) for _ in range(3))
        return (r, g, b)

    start = muted()
    kind = rng.choice(("plain", "gradient", "noisy", "noisy"))
    end = muted() if kind == "gradient" else start
    noise = rng.uniform(0.03, 0.15) if kind == "noisy" else 0.0
    return BackgroundSpec(
        start, end, rng.uniform(0, 2 * math.pi), noise, rng.choice((4, 8, 16, 32)), rng.getrandbits(32)
    )


def _draw_shape(rng: Random, kind: tuple[str, str], objects: int) -> ShapeSpec:
    colour, shape = kind
    radius = rng.uniform(*_RADII[objects])
    centre = (rng.uniform(radius, 1 - radius), rng.uniform(radius, 1 - radius))
    r, g, b = (min(1.0, max(0.0, channel + rng.uniform(-0.05, 0.05))) for channel in COLOURS[colour])
    return ShapeSpec(
        shape=shape,
        colour=colour,
        texture=rng.choice(
            ("plain", *TEXTURES)
        ),  # "plain" is in the list twice, so it is drawn twice as often as any other texture
        centre=centre,
        radius=radius,
        rotation=rng.uniform(-0.22, 0.22),
        fill=(r, g, b),
        accent=grey(rng.choice((0.03, 0.97))),
        texture_scale=rng.uniform(1.3, 2.2),
    )


def _all_visible(scene: SceneSpec) -> bool:
    """Whether at least ``MIN_VISIBLE`` of each object's area is visible."""
    covered = np.zeros((_VISIBILITY_GRID, _VISIBILITY_GRID), dtype=np.bool_)
    for item in reversed(scene.objects):
        window, x, y = _window(item, _VISIBILITY_GRID)
        inside = inside_shape(item.shape, x, y)
        if int((inside & ~covered[window]).sum()) < MIN_VISIBLE * int(inside.sum()):
            return False
        covered[window] |= inside
    return True


def _layer(item: ShapeSpec, side: int) -> Layer:
    window, x, y = _window(item, side)
    inside = inside_shape(item.shape, x, y)
    accent = is_accent(item.texture, x, y, item.texture_scale)
    return Layer(window, inside, np.where(accent[inside][:, None], _floats(item.accent), _floats(item.fill)))


def _window(item: ShapeSpec, side: int) -> tuple[tuple[slice, slice], NDArray[np.float32], NDArray[np.float32]]:
    """The grid cells that an object can touch, and their points in the object's own rotated coordinates."""
    (cx, cy), radius = item.centre, item.radius
    spans = [(max(0, math.floor((c - radius) * side)), min(side, math.ceil((c + radius) * side))) for c in (cx, cy)]
    u = ((np.arange(*spans[0], dtype=np.float32) + 0.5) / side - cx) / radius
    v = ((np.arange(*spans[1], dtype=np.float32) + 0.5) / side - cy) / radius
    cos, sin = math.cos(item.rotation), math.sin(item.rotation)
    x = (cos * u[None, :] + sin * v[:, None]).astype(np.float32)
    y = (cos * v[:, None] - sin * u[None, :]).astype(np.float32)
    return (slice(*spans[1]), slice(*spans[0])), x, y


def _paint_background(spec: BackgroundSpec, size: int) -> NDArray[np.float32]:
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    along = (axis[None, :] - 0.5) * math.cos(spec.angle) + (axis[:, None] - 0.5) * math.sin(spec.angle)
    blend = np.clip(along / math.sqrt(2) + 0.5, 0.0, 1.0)[:, :, None].astype(np.float32)
    picture = _floats(spec.start) * (1 - blend) + _floats(spec.end) * blend
    if spec.noise:
        # A small random grid is interpolated bilinearly, so the noise looks the same at every size.
        cells = np.random.Generator(np.random.PCG64(spec.noise_seed)).random((spec.noise_cells + 1,) * 2) * 2 - 1
        position = axis * spec.noise_cells
        low = position.astype(np.int64)
        share = (position - low).astype(np.float32)
        rows = cells[low] * (1 - share)[:, None] + cells[low + 1] * share[:, None]
        noise = rows[:, low] * (1 - share)[None, :] + rows[:, low + 1] * share[None, :]
        picture = picture + spec.noise * noise[:, :, None].astype(np.float32)
    return np.asarray(np.clip(picture, 0.0, 1.0), dtype=np.float32)


def _points(owned: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The number of true points in each pixel. It adds slices: numpy's sum over two axes is ten times slower."""
    total = np.zeros((owned.shape[0] // SUPERSAMPLE, owned.shape[1] // SUPERSAMPLE), dtype=np.uint8)
    for points in _slices(owned.view(np.uint8)):
        total += points
    return total


def _slices(points: NDArray[_Number]) -> Iterator[NDArray[_Number]]:
    """Split a grid (side, side, ...) into arrays with one point of every pixel, row by row."""
    for row in range(SUPERSAMPLE):
        for column in range(SUPERSAMPLE):
            yield points[row::SUPERSAMPLE, column::SUPERSAMPLE]


def _pool(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    side = canvas.shape[0] // SUPERSAMPLE
    total = np.zeros((side, side, 3), dtype=np.float32)
    for points in _slices(canvas):
        total += points
    return np.asarray(total / np.float32(SUPERSAMPLE**2), dtype=np.float32)


def _floats(colour: RGB) -> NDArray[np.float32]:
    return np.asarray(colour, dtype=np.float32)
