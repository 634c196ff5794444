"""The training distribution: scenes of shapes and of digits, their captions, and which caption is true of which."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeAlias

import numpy as np
from demo_clip.digits import DigitScene, caption_digit, draw_digit, render_digit
from numpy.typing import NDArray

from vlmbench.demo.captions import Caption, Claim, caption_scene
from vlmbench.demo.scenes import RenderedObject, draw_scene, render
from vlmbench.demo.spec import SceneSpec

TrainingScene: TypeAlias = SceneSpec | DigitScene


def draw_training_scene(rng: Random, single_share: float = 0.5, digit_share: float = 0.25) -> TrainingScene:
    """Draw from the training distribution: held-out combinations never occur."""
    draw = rng.random()
    if draw < digit_share:
        return draw_digit(rng)
    if draw < digit_share + single_share:
        return draw_scene(rng, 1)
    return draw_scene(rng, rng.choice((2, 2, 3, 4)))


def render_training_scene(scene: TrainingScene, size: int) -> tuple[NDArray[np.uint8], tuple[RenderedObject, ...]]:
    """As :func:`vlmbench.demo.scenes.render`."""
    return render_digit(scene, size) if isinstance(scene, DigitScene) else render(scene, size)


def caption_training_scene(scene: TrainingScene, rng: Random, count: int) -> tuple[Caption, ...]:
    """As :func:`vlmbench.demo.captions.caption_scene`."""
    if isinstance(scene, DigitScene):
        return caption_digit(scene, rng, count)
    return caption_scene(scene, rng, count)


def truth_matrix(captions: Sequence[Caption], scenes: Sequence[TrainingScene]) -> list[list[bool]]:
    """Row i, column j: whether caption i is true of scene j. Each distinct claim is tested once a scene."""
    claims = {claim for caption in captions for claim in caption.claims}
    columns = {claim: [holds(claim, scene) for scene in scenes] for claim in claims}
    return [
        [all(parts) for parts in zip(*(columns[claim] for claim in caption.claims), strict=True)]
        for caption in captions
    ]


def holds(claim: Claim, scene: TrainingScene) -> bool:
    """Whether a claim is true of a scene: of a digit, only that it is this one."""
    return claim.shape == scene.digit and not claim.count if isinstance(scene, DigitScene) else claim.holds(scene)
