"""Training batches: shapes, determinism, and a truth matrix that includes each caption's own image."""

from __future__ import annotations

from dataclasses import astuple
from random import Random

import numpy as np
import pytest
from demo_clip.batches import TrainingBatches, spoil
from demo_clip.digits import draw_digit, render_digit
from numpy.typing import NDArray


def _lengths(texts: list[str]) -> NDArray[np.int64]:
    return np.array([[len(text)] for text in texts], dtype=np.int64)


def _batches(seed: int = 0) -> TrainingBatches:
    return TrainingBatches(_lengths, steps=4, batch_size=6, captions_per_image=2, image_size=32, seed=seed)


def test_shapes_and_own_captions() -> None:
    batch = _batches()[3]
    assert batch.pixels.shape == (6, 32, 32, 3) and batch.pixels.dtype == np.uint8
    assert batch.captions.shape == (12, 1)
    assert batch.truth.shape == (12, 6)
    assert all(batch.truth[caption, caption // 2] for caption in range(12))
    assert not batch.truth.all()


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, same, later, other = _batches()[1], _batches()[1], _batches()[2], _batches(seed=1)[1]
    assert all(np.array_equal(a, b) for a, b in zip(astuple(one), astuple(same), strict=True))
    assert not np.array_equal(one.pixels, later.pixels)
    assert not np.array_equal(one.pixels, other.pixels)


def test_the_last_batch_ends_iteration() -> None:
    assert len(_batches()) == 4
    with pytest.raises(IndexError):
        _batches()[4]


def test_spoilt_digits_keep_their_ink() -> None:
    rng = Random(2)
    for _ in range(20):
        picture, (item,) = render_digit(draw_digit(rng), 64)
        spoilt = spoil(picture, rng, digit=True).mean(axis=2)
        contrast = spoilt[item.mask].mean() - spoilt[~item.mask].mean()
        assert (contrast > 25) if item.colour == "white" else (contrast < -25)
