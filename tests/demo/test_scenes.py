"""Rendering: masks, boxes and colours agree with what the scene says it shows."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from vlmbench.demo.scenes import (
    MIN_VISIBLE,
    draw_digit,
    draw_scene,
    draw_training_scene,
    make_scene,
    mask_bounds,
    render,
)
from vlmbench.demo.spec import COLOURS, DIGITS, SHAPES, ShapeSpec

_TONES = np.array([*COLOURS.values(), (0.03,) * 3, (0.97,) * 3])
_NAMES = [*COLOURS, "black", "white"]


@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_boxes_bound_masks_and_masks_do_not_overlap(objects: int) -> None:
    rng = Random(objects)
    for _ in range(25):
        _, rendered = render(draw_scene(rng, objects), 64)
        assert len(rendered) == objects
        assert np.sum([item.mask for item in rendered], axis=0).max() <= 1
        for item in rendered:
            x, y, width, height = item.box
            cropped = item.mask[y : y + height, x : x + width]
            assert cropped.sum() == item.mask.sum() > 0
            assert cropped[0].any() and cropped[-1].any() and cropped[:, 0].any() and cropped[:, -1].any()


def test_colour_inside_the_mask_is_the_named_one() -> None:
    rng = Random(5)
    for _ in range(60):
        spec = draw_scene(rng, 2)
        pixels, rendered = render(spec, 128)
        for item in rendered:
            inside = pixels[item.mask] / 255.0
            nearest = ((inside[:, None, :] - _TONES) ** 2).sum(axis=2).argmin(axis=1)
            shares = Counter(_NAMES[index] for index in nearest)
            named = {name: count for name, count in shares.items() if name in COLOURS}
            assert max(named, key=lambda name: named[name]) == item.colour
            assert shares[item.colour] > 0.3 * len(inside)
            if item.texture == "plain":
                assert shares[item.colour] > 0.8 * len(inside)


def test_occluded_objects_stay_visible() -> None:
    rng = Random(9)
    for _ in range(25):
        spec = draw_scene(rng, 4)
        _, together = render(spec, 128)
        for shape, item in zip(spec.objects, together, strict=True):
            _, (alone,) = render(replace(spec, objects=(shape,)), 128)
            assert not (item.mask & ~alone.mask).any()
            # The promise is made on a coarser grid, hence the margin.
            assert item.mask.sum() >= (MIN_VISIBLE - 0.08) * alone.mask.sum()


def test_a_scene_is_the_same_at_every_size() -> None:
    spec = draw_scene(Random(3), 3)
    small, coarse = render(spec, 64)
    large, fine = render(spec, 128)
    halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 3.0
    for one, other in zip(coarse, fine, strict=True):
        pooled = other.mask.reshape(64, 2, 64, 2).mean(axis=(1, 3)) >= 0.5
        assert (one.mask & pooled).sum() / (one.mask | pooled).sum() > 0.9


def test_digit_ink_fills_the_mask() -> None:
    rng = Random(4)
    for word in DIGITS:
        for _ in range(5):
            pixels, (item,) = render(draw_digit(rng, word), 64)
            grey = pixels.mean(axis=2)
            contrast = grey[item.mask].mean() - grey[~item.mask].mean()
            assert item.shape == word
            assert (contrast > 60) if item.colour == "white" else (contrast < -60)
            assert item.box[3] > 32


def test_the_training_distribution_covers_everything() -> None:
    rng = Random(6)
    seen = {item for _ in range(400) for item in draw_training_scene(rng).objects}
    shapes = [item for item in seen if isinstance(item, ShapeSpec)]
    assert {item.shape for item in shapes} == set(SHAPES)
    assert {item.colour for item in shapes} == set(COLOURS)
    assert {item.digit for item in seen if not isinstance(item, ShapeSpec)} == set(DIGITS)


def test_same_seed_same_scene() -> None:
    one, other = (make_scene(draw_scene(rng, 3), 48, rng) for rng in (Random(8), Random(8)))
    assert one.spec == other.spec
    assert one.captions == other.captions
    assert one.image.tobytes() == other.image.tobytes()
    assert one.image.size == (48, 48)


def test_pixels_are_pinned() -> None:
    pixels, _ = render(draw_scene(Random(0), 3), 32)
    digit, _ = render(draw_digit(Random(0), "seven"), 32)
    digest = hashlib.sha256(pixels.tobytes() + digit.tobytes()).hexdigest()
    assert digest == "9d839f6177ec4611893c6830d6cedce42fc333464ece461def81a14a22b08370"


def test_mask_bounds_by_hand() -> None:
    mask = np.zeros((5, 7), dtype=np.bool_)
    assert mask_bounds(mask) == (0, 0, 0, 0)
    mask[1, 2] = mask[3, 5] = True
    assert mask_bounds(mask) == (2, 1, 4, 3)
