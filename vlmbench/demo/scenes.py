"""Seeded scenes with exact boxes, masks and captions, drawn with numpy alone.

``draw_scene`` and ``draw_digit`` choose what a scene contains, in units of the image's side; ``render`` rasterises a
specification at any size by testing points of a grid three times finer than the pixels. A pixel belongs to an object's
mask if more than half of its nine points do, so masks of one scene never overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlmbench.demo.captions import Caption, caption_scene
from vlmbench.demo.shapes import inside_shape, is_accent
from vlmbench.demo.spec import (
    COLOURS,
    COMBINATIONS,
    DIGITS,
    HELD_OUT,
    RGB,
    TEXTURES,
    BackgroundSpec,
    DigitSpec,
    SceneSpec,
    ShapeSpec,
)
from vlmbench.demo.strokes import write_digit

TRAINING_COMBINATIONS: tuple[tuple[str, str], ...] = tuple(c for c in COMBINATIONS if c not in HELD_OUT)
MIN_VISIBLE = 0.75
"""Every object of a scene shows at least this share of its area, measured on a grid of 64 x 64 points."""

_Number = TypeVar("_Number", np.uint8, np.float32)
_SUPERSAMPLE = 3  # odd, so that "more than half of the points" has no ties
_RADII = {1: (0.16, 0.42), 2: (0.14, 0.28), 3: (0.13, 0.22), 4: (0.12, 0.19)}
_VISIBILITY_GRID = 64


@dataclass(frozen=True)
class RenderedObject:
    """One object as it appears; a digit has its word as ``shape`` and "white" or "black" as ``colour``."""

    shape: str
    colour: str
    texture: str
    box: tuple[int, int, int, int]
    """x, y, width, height in pixels: the bounds of ``mask``."""
    mask: NDArray[np.bool_] = field(compare=False)  # arrays have no single truth value
    """(H, W), the visible part."""


@dataclass(frozen=True)
class Scene:
    """A rendered scene; ``image`` is RGB."""

    image: Image.Image
    objects: tuple[RenderedObject, ...]
    captions: tuple[Caption, ...]
    spec: SceneSpec


def draw_scene(rng: Random, objects: int, combinations: Sequence[tuple[str, str]] = TRAINING_COMBINATIONS) -> SceneSpec:
    """Draw a scene of 1 to 4 shapes whose (colour, shape) pairs come from ``combinations``.

    Half of the scenes with several objects repeat one of their kinds, so that counts above one are common.
    """
    while True:
        kinds = [rng.choice(combinations) for _ in range(objects)]
        if objects > 1 and rng.random() < 0.5:
            kinds[1] = kinds[0]
        scene = SceneSpec(_draw_background(rng), tuple(_draw_shape(rng, kind, objects) for kind in kinds))
        if _all_visible(scene):
            return scene


def draw_digit(rng: Random, digit: str | None = None) -> SceneSpec:
    """Draw a scene of one handwritten-looking digit, light on dark or dark on light; ``digit`` is a word."""
    digit = digit or rng.choice(DIGITS)
    light, dark = rng.uniform(0.75, 1.0), rng.uniform(0.0, 0.25)
    ink, paper = (light, dark) if rng.random() < 0.6 else (dark, light)
    height = rng.uniform(0.6, 0.97)
    slack = (1 - height) / 2 * 0.8
    centre = (0.5 + rng.uniform(-0.06, 0.06), 0.5 + rng.uniform(-slack, slack))
    thickness = rng.uniform(0.07, 0.2)
    strokes = write_digit(digit, rng, centre, height - thickness)
    background = BackgroundSpec(_grey(paper), _grey(paper), 0.0, rng.choice((0.0, 0.0, 0.04)), 8, rng.getrandbits(32))
    return SceneSpec(background, (DigitSpec(digit, strokes, thickness, _grey(ink)),))


def draw_training_scene(rng: Random, single_share: float = 0.5, digit_share: float = 0.25) -> SceneSpec:
    """Draw from the training distribution: held-out combinations never occur."""
    draw = rng.random()
    if draw < digit_share:
        return draw_digit(rng)
    if draw < digit_share + single_share:
        return draw_scene(rng, 1)
    return draw_scene(rng, rng.choice((2, 2, 3, 4)))


def make_scene(spec: SceneSpec, size: int, rng: Random, captions: int = 3) -> Scene:
    """Render a specification at ``size`` pixels a side and write ``captions`` captions for it."""
    pixels, objects = render(spec, size)
    return Scene(Image.fromarray(pixels), objects, caption_scene(spec, rng, captions), spec)


def render(spec: SceneSpec, size: int) -> tuple[NDArray[np.uint8], tuple[RenderedObject, ...]]:
    """Rasterise a scene.

    Returns:
        Pixels, (size, size, 3) uint8 RGB, and the objects in the order of ``spec.objects``.
    """
    canvas, owner = _paint(spec, size * _SUPERSAMPLE)
    pixels = np.rint(_pool(canvas) * 255.0).astype(np.uint8)
    half = _SUPERSAMPLE**2 / 2
    rendered = []
    for index, item in enumerate(spec.objects, start=1):
        mask = _points(owner == index) > half
        if isinstance(item, DigitSpec):
            colour = "white" if item.ink[0] > 0.5 else "black"
            rendered.append(RenderedObject(item.digit, colour, "plain", mask_bounds(mask), mask))
        else:
            rendered.append(RenderedObject(item.shape, item.colour, item.texture, mask_bounds(mask), mask))
    return pixels, tuple(rendered)


def mask_bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The tight (x, y, width, height) of a mask of shape (H, W); zeros for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (0, 0, 0, 0)
    x, y = int(columns[0]), int(rows[0])
    return (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def _grey(level: float) -> RGB:
    return (level, level, level)


def _draw_background(rng: Random) -> BackgroundSpec:
    """Muted greys between the two accent tones, so that every object and texture stands out."""

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
        texture=rng.choice(("plain", *TEXTURES)),  # plain twice as often as any other
        centre=centre,
        radius=radius,
        rotation=rng.uniform(-0.22, 0.22),
        fill=(r, g, b),
        accent=_grey(rng.choice((0.03, 0.97))),
        texture_scale=rng.uniform(1.3, 2.2),
    )


def _all_visible(scene: SceneSpec) -> bool:
    """Whether each object shows at least ``MIN_VISIBLE`` of its own area."""
    shapes = [item for item in scene.objects if isinstance(item, ShapeSpec)]
    covered = np.zeros((_VISIBILITY_GRID, _VISIBILITY_GRID), dtype=np.bool_)
    for item in reversed(shapes):
        window, x, y = _window(item, _VISIBILITY_GRID)
        inside = inside_shape(item.shape, x, y)
        if int((inside & ~covered[window]).sum()) < MIN_VISIBLE * int(inside.sum()):
            return False
        covered[window] |= inside
    return True


def _paint(spec: SceneSpec, side: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The scene at one point a cell: colours (side, side, 3) and each point's object number (0: background)."""
    canvas = np.repeat(
        np.repeat(_paint_background(spec.background, side // _SUPERSAMPLE), _SUPERSAMPLE, 0), _SUPERSAMPLE, 1
    )
    owner = np.zeros((side, side), dtype=np.uint8)
    for index, item in enumerate(spec.objects, start=1):
        if isinstance(item, DigitSpec):
            inside = _near_strokes(item, side)
            canvas[inside] = _floats(item.ink)
            owner[inside] = index
            continue
        window, x, y = _window(item, side)
        inside = inside_shape(item.shape, x, y)
        accent = is_accent(item.texture, x, y, item.texture_scale)
        canvas[window][inside] = np.where(accent[inside][:, None], _floats(item.accent), _floats(item.fill))
        owner[window][inside] = index
    return canvas, owner


def _window(item: ShapeSpec, side: int) -> tuple[tuple[slice, slice], NDArray[np.float32], NDArray[np.float32]]:
    """The grid cells an object can touch, and their points in its own rotated coordinates."""
    (cx, cy), radius = item.centre, item.radius
    spans = [(max(0, math.floor((c - radius) * side)), min(side, math.ceil((c + radius) * side))) for c in (cx, cy)]
    u = ((np.arange(*spans[0], dtype=np.float32) + 0.5) / side - cx) / radius
    v = ((np.arange(*spans[1], dtype=np.float32) + 0.5) / side - cy) / radius
    cos, sin = math.cos(item.rotation), math.sin(item.rotation)
    x = (cos * u[None, :] + sin * v[:, None]).astype(np.float32)
    y = (cos * v[:, None] - sin * u[None, :]).astype(np.float32)
    return (slice(*spans[1]), slice(*spans[0])), x, y


def _near_strokes(item: DigitSpec, side: int) -> NDArray[np.bool_]:
    """Points within half the thickness of a stroke."""
    inside = np.zeros((side, side), dtype=np.bool_)
    grid = (np.arange(side, dtype=np.float32) + 0.5) / side
    reach = item.thickness / 2
    for line in item.strokes:
        for (x0, y0), (x1, y1) in pairwise(line):
            columns = _span(min(x0, x1) - reach, max(x0, x1) + reach, side)
            rows = _span(min(y0, y1) - reach, max(y0, y1) + reach, side)
            x, y = grid[columns][None, :] - x0, grid[rows][:, None] - y0
            dx, dy = x1 - x0, y1 - y0
            along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-12), 0.0, 1.0)
            inside[rows, columns] |= (x - along * dx) ** 2 + (y - along * dy) ** 2 <= reach * reach
    return inside


def _span(low: float, high: float, side: int) -> slice:
    return slice(max(0, math.floor(low * side)), max(0, min(side, math.ceil(high * side))))


def _paint_background(spec: BackgroundSpec, size: int) -> NDArray[np.float32]:
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    along = (axis[None, :] - 0.5) * math.cos(spec.angle) + (axis[:, None] - 0.5) * math.sin(spec.angle)
    blend = np.clip(along / math.sqrt(2) + 0.5, 0.0, 1.0)[:, :, None].astype(np.float32)
    picture = _floats(spec.start) * (1 - blend) + _floats(spec.end) * blend
    if spec.noise:
        # Bilinear interpolation of a small random grid: the same blotches at every size.
        cells = np.random.Generator(np.random.PCG64(spec.noise_seed)).random((spec.noise_cells + 1,) * 2) * 2 - 1
        position = axis * spec.noise_cells
        low = position.astype(np.int64)
        share = (position - low).astype(np.float32)
        rows = cells[low] * (1 - share)[:, None] + cells[low + 1] * share[:, None]
        noise = rows[:, low] * (1 - share)[None, :] + rows[:, low + 1] * share[None, :]
        picture = picture + spec.noise * noise[:, :, None].astype(np.float32)
    return np.asarray(np.clip(picture, 0.0, 1.0), dtype=np.float32)


def _points(owned: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """How many of each pixel's points are true. Added slice by slice: numpy's sum over two axes is ten times slower."""
    total = np.zeros((owned.shape[0] // _SUPERSAMPLE, owned.shape[1] // _SUPERSAMPLE), dtype=np.uint8)
    for points in _slices(owned.view(np.uint8)):
        total += points
    return total


def _slices(points: NDArray[_Number]) -> Iterator[NDArray[_Number]]:
    """One point of every pixel at a time: (side, side, ...) to arrays with sides of pixels, row by row."""
    for row in range(_SUPERSAMPLE):
        for column in range(_SUPERSAMPLE):
            yield points[row::_SUPERSAMPLE, column::_SUPERSAMPLE]


def _pool(canvas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over each pixel's points."""
    side = canvas.shape[0] // _SUPERSAMPLE
    total = np.zeros((side, side, 3), dtype=np.float32)
    for points in _slices(canvas):
        total += points
    return np.asarray(total / np.float32(_SUPERSAMPLE**2), dtype=np.float32)


def _floats(colour: RGB) -> NDArray[np.float32]:
    return np.asarray(colour, dtype=np.float32)
