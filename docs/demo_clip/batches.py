"""Training batches: seeded scenes, lightly spoilt pixels, captions and which caption is true of which image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from demo_clip.digits import DigitScene
from demo_clip.scenes import (
    TrainingScene,
    caption_training_scene,
    draw_training_scene,
    render_training_scene,
    truth_matrix,
)
from numpy.typing import NDArray
from PIL import Image

EASY_SHARE = 0.2
"""The share of the steps in which objects have no texture and mostly stand alone."""


@dataclass(frozen=True)
class Batch:
    """What one training step sees, for B images and T captions.

    Caption t was written for image t // captions_per_image; ``truth[t, b]`` says whether it is true of image b.
    """

    pixels: NDArray[np.uint8]
    """(B, H, W, 3)."""
    captions: NDArray[np.int64]
    """(T, L) tokens."""
    truth: NDArray[np.bool_]
    """(T, B)."""


@dataclass(frozen=True)
class TrainingBatches:
    """Batch number ``i`` depends on the seed and ``i`` alone, so any number of loader workers gives the same run."""

    tokenize: Callable[[list[str]], NDArray[np.int64]]
    steps: int
    batch_size: int
    captions_per_image: int
    image_size: int
    seed: int

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < self.steps:
            raise IndexError(step)
        rng = Random(f"batch:{self.seed}:{step}")
        # First plain single objects, which teach the words; then everything.
        easy = step < EASY_SHARE * self.steps
        scenes = [draw_training_scene(rng, single_share=0.65 if easy else 0.45) for _ in range(self.batch_size)]
        if easy:
            scenes = [_plain(scene) for scene in scenes]
        pixels = []
        for scene in scenes:
            picture, _ = render_training_scene(scene, self.image_size)
            pixels.append(spoil(picture, rng, digit=isinstance(scene, DigitScene)))
        captions = [
            caption for scene in scenes for caption in caption_training_scene(scene, rng, self.captions_per_image)
        ]
        return Batch(
            pixels=np.stack(pixels),
            captions=self.tokenize([caption.text for caption in captions]),
            truth=np.array(truth_matrix(captions, scenes)),
        )


def _plain(scene: TrainingScene) -> TrainingScene:
    if isinstance(scene, DigitScene):
        return scene
    return replace(scene, objects=tuple(replace(item, texture="plain") for item in scene.objects))


def spoil(picture: NDArray[np.uint8], rng: Random, *, digit: bool) -> NDArray[np.uint8]:
    """Blur, shift brightness and contrast, and add noise; (H, W, 3) uint8 in and out.

    Digits are often reduced to 8 to 16 pixels a side first, as scanned digits in small data sets are.
    """
    size = picture.shape[0]
    if rng.random() < (0.65 if digit else 0.2):
        small = rng.choice((8, 8, 8, 12, 16)) if digit else size * 2 // 3
        image = Image.fromarray(picture).resize((small, small), Image.Resampling.BOX)
        resample = rng.choice((Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.BILINEAR))
        picture = np.asarray(image.resize((size, size), resample))
    levels = picture.astype(np.float32) * rng.uniform(0.8, 1.15) + rng.uniform(-20.0, 20.0)
    if rng.random() < 0.4:
        noise = np.random.Generator(np.random.PCG64(rng.getrandbits(32)))
        levels += noise.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(2.0, 12.0))
    return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)
