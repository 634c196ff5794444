"""Captions: every word true of the scene, and truth tests exact."""

from __future__ import annotations

from random import Random

import pytest
from caption_words import named, phrases

from vlmbench.demo.captions import (
    Claim,
    caption_scene,
    plural,
    with_article,
)
from vlmbench.demo.scenes import draw_scene
from vlmbench.demo.spec import COLOURS, SHAPES, TEXTURES, SceneSpec, ShapeSpec

_NUMBERS = {"two": 2, "three": 3, "four": 4}


def _check_phrase(words: list[str], scene: SceneSpec) -> None:
    """An independent reading of the words, without the claims the caption carries."""
    colour, shape, texture = named(words, COLOURS), named(words, SHAPES), named(words, TEXTURES)
    fitting = [
        item
        for item in scene.objects
        if colour in ("", item.colour) and shape in ("", item.shape) and texture in ("", item.texture)
    ]
    if {"left", "right"} & set(words):
        fitting = [item for item in fitting if (item.centre[0] < 0.5) == ("left" in words)]
    if {"top", "bottom"} & set(words):
        fitting = [item for item in fitting if (item.centre[1] < 0.5) == ("top" in words)]
    number = _NUMBERS.get(named(words, _NUMBERS), 0)
    assert len(fitting) == number if number else fitting, (words, scene.objects)


@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_words_are_true_of_the_scene(objects: int) -> None:
    rng = Random(objects)
    for _ in range(100):
        scene = draw_scene(rng, objects)
        for caption in caption_scene(scene, rng, 5):
            assert caption.holds(scene)
            for words in phrases(caption.text):
                _check_phrase(words, scene)


def _scene(*kinds: tuple[str, str, str]) -> SceneSpec:
    template = draw_scene(Random(0), 1)
    black = (0.0, 0.0, 0.0)
    made = tuple(
        ShapeSpec(shape, colour, texture, (0.2, 0.8), 0.15, 0.0, black, black, 2.0) for texture, colour, shape in kinds
    )
    return SceneSpec(template.background, made)


def test_claims_by_hand() -> None:
    scene = _scene(("plain", "red", "star"), ("striped", "red", "star"), ("dotted", "blue", "cross"))
    assert Claim(shape="star", colour="red", count=2).holds(scene)
    assert not Claim(shape="star", colour="red", count=3).holds(scene)
    assert not Claim(shape="cross", colour="red").holds(scene)
    assert Claim(texture="striped", shape="star", size="small", place="in the bottom left").holds(scene)
    assert not Claim(shape="cross", place="at the top").holds(scene)
    assert not Claim(shape="cross", size="large").holds(scene)


def test_articles_and_plurals() -> None:
    assert (with_article("orange ring"), with_article("red ring")) == ("an orange ring", "a red ring")
    assert (plural("cross"), plural("star")) == ("crosses", "stars")
