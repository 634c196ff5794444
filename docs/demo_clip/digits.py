"""Scenes of one handwritten-looking digit, for training alone: drawn, painted and captioned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
from demo_clip.strokes import write_digit
from numpy.typing import NDArray

from vlmbench.demo.captions import Caption, Claim
from vlmbench.demo.scenes import SUPERSAMPLE, Layer, RenderedObject, grey, mask_bounds, rasterise
from vlmbench.demo.spec import RGB, BackgroundSpec, Point

DIGITS: tuple[str, ...] = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEMPLATES: tuple[str, ...] = (
    "{}",
    "the number {}",
    "the digit {}",
    "a handwritten digit {}",
    "a handwritten {}",
    "a photo of the number {}",
    "a photo of the digit {}",
    'a photo of the number: "{}".',
    "a photo of the handwritten digit {}",
    "an image of the number {}",
    "a picture of the digit {}",
    "a blurry photo of the number {}",
)


@dataclass(frozen=True)
class DigitScene:
    """One digit as polylines in image units, before rendering."""

    background: BackgroundSpec
    digit: str
    strokes: tuple[tuple[Point, ...], ...]
    thickness: float
    ink: RGB


def draw_digit(rng: Random, digit: str | None = None) -> DigitScene:
    """Draw a digit, light on dark or dark on light; ``digit`` is a word of :data:`DIGITS`."""
    digit = digit or rng.choice(DIGITS)
    light, dark = rng.uniform(0.75, 1.0), rng.uniform(0.0, 0.25)
    ink, paper = (light, dark) if rng.random() < 0.6 else (dark, light)
    height = rng.uniform(0.6, 0.97)
    slack = (1 - height) / 2 * 0.8
    centre = (0.5 + rng.uniform(-0.06, 0.06), 0.5 + rng.uniform(-slack, slack))
    thickness = rng.uniform(0.07, 0.2)
    strokes = write_digit(digit, rng, centre, height - thickness)
    background = BackgroundSpec(grey(paper), grey(paper), 0.0, rng.choice((0.0, 0.0, 0.04)), 8, rng.getrandbits(32))
    return DigitScene(background, digit, strokes, thickness, grey(ink))


def render_digit(scene: DigitScene, size: int) -> tuple[NDArray[np.uint8], tuple[RenderedObject, ...]]:
    """As :func:`vlmbench.demo.scenes.render`; the one object has its word as shape and "white" or "black" as colour."""
    ink = np.asarray(scene.ink, dtype=np.float32)
    layer = Layer((slice(None), slice(None)), _near_strokes(scene, size * SUPERSAMPLE), ink)
    pixels, (mask,) = rasterise(scene.background, [layer], size)
    colour = "white" if scene.ink[0] > 0.5 else "black"
    return pixels, (RenderedObject(scene.digit, colour, "plain", mask_bounds(mask), mask),)


def caption_digit(scene: DigitScene, rng: Random, count: int) -> tuple[Caption, ...]:
    """``count`` captions that name the digit, in a word or a numeral."""
    captions = []
    for _ in range(count):
        word = scene.digit if rng.random() < 0.5 else str(DIGITS.index(scene.digit))
        captions.append(Caption(rng.choice(TEMPLATES).format(word), (Claim(shape=scene.digit),)))
    return tuple(captions)


def _near_strokes(item: DigitScene, side: int) -> NDArray[np.bool_]:
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
