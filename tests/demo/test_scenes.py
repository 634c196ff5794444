"""Rendering: masks, boxes and colours agree with what the scene says it shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from vlmbench.demo.scenes import (
    MIN_VISIBLE,
    draw_scene,
    mask_bounds,
    render,
)
from vlmbench.demo.spec import COLOURS

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


def test_same_seed_same_scene() -> None:
    one, other = (draw_scene(Random(8), 3) for _ in range(2))
    assert one == other
    (pixels, objects), (same, twins) = render(one, 48), render(other, 48)
    assert objects == twins
    assert pixels.shape == (48, 48, 3)
    assert pixels.tobytes() == same.tobytes()


def test_mask_bounds_by_hand() -> None:
    mask = np.zeros((5, 7), dtype=np.bool_)
    assert mask_bounds(mask) == (0, 0, 0, 0)
    mask[1, 2] = mask[3, 5] = True
    assert mask_bounds(mask) == (2, 1, 4, 3)
