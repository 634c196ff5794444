"""Digits: their ink, their captions, and pixels that never change."""

from __future__ import annotations

import hashlib
import re
from random import Random

from demo_clip.digits import DIGITS, caption_digit, draw_digit, render_digit
from demo_clip.scenes import holds

from vlmbench.demo.scenes import draw_scene, render


def test_digit_ink_fills_the_mask() -> None:
    rng = Random(4)
    for word in DIGITS:
        for _ in range(5):
            pixels, (item,) = render_digit(draw_digit(rng, word), 64)
            grey = pixels.mean(axis=2)
            contrast = grey[item.mask].mean() - grey[~item.mask].mean()
            assert item.shape == word
            assert (contrast > 60) if item.colour == "white" else (contrast < -60)
            assert item.box[3] > 32


def test_captions_name_the_digit() -> None:
    rng = Random(0)
    for _ in range(200):
        scene = draw_digit(rng)
        for caption in caption_digit(scene, rng, 2):
            words = set(re.findall(r"[a-z]+|[0-9]", caption.text))
            (claim,) = caption.claims
            numeral = str(DIGITS.index(claim.shape))
            assert holds(claim, scene)
            assert claim.shape == scene.digit
            assert words & {*DIGITS, *"0123456789"} <= {claim.shape, numeral}
            assert words & {claim.shape, numeral}


def test_pixels_are_pinned() -> None:
    pixels, _ = render(draw_scene(Random(0), 3), 32)
    digit, _ = render_digit(draw_digit(Random(0), "seven"), 32)
    digest = hashlib.sha256(pixels.tobytes() + digit.tobytes()).hexdigest()
    assert digest == "9d839f6177ec4611893c6830d6cedce42fc333464ece461def81a14a22b08370"
