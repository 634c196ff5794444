"""Captions: every word true of the scene, truth tests exact, and no held-out pair named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest

from vlmbench.demo.captions import (
    Caption,
    Claim,
    caption_scene,
    names_held_out,
    plural,
    truth_matrix,
    with_article,
)
from vlmbench.demo.scenes import draw_digit, draw_scene, draw_training_scene
from vlmbench.demo.spec import COLOURS, DIGITS, HELD_OUT, SHAPES, TEXTURES, SceneSpec, ShapeSpec

_NUMBERS = {"two": 2, "three": 3, "four": 4}
_SINGULAR = {plural(shape): shape for shape in SHAPES}


def _phrases(text: str) -> Iterator[list[str]]:
    """The words of each noun phrase: what stands between joining words."""
    for phrase in re.split(r" and | next to | with ", text):
        yield [_SINGULAR.get(word, word) for word in re.findall(r"[a-z0-9-]+", phrase)]


def _named(words: list[str], known: object) -> str:
    found = [word for word in words if word in known]  # type: ignore[operator]
    assert len(found) <= 1, words
    return found[0] if found else ""


def _check_phrase(words: list[str], scene: SceneSpec) -> None:
    """An independent reading of the words, without the claims the caption carries."""
    shapes = [item for item in scene.objects if isinstance(item, ShapeSpec)]
    colour, shape, texture = _named(words, COLOURS), _named(words, SHAPES), _named(words, TEXTURES)
    fitting = [
        item
        for item in shapes
        if colour in ("", item.colour) and shape in ("", item.shape) and texture in ("", item.texture)
    ]
    if {"left", "right"} & set(words):
        fitting = [item for item in fitting if (item.centre[0] < 0.5) == ("left" in words)]
    if {"top", "bottom"} & set(words):
        fitting = [item for item in fitting if (item.centre[1] < 0.5) == ("top" in words)]
    number = _NUMBERS.get(_named(words, _NUMBERS), 0)
    assert len(fitting) == number if number else fitting, (words, shapes)


@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_words_are_true_of_the_scene(objects: int) -> None:
    rng = Random(objects)
    for _ in range(100):
        scene = draw_scene(rng, objects)
        for caption in caption_scene(scene, rng, 5):
            assert caption.holds(scene)
            for words in _phrases(caption.text):
                _check_phrase(words, scene)


def test_digit_captions_name_the_digit() -> None:
    rng = Random(0)
    for _ in range(200):
        scene = draw_digit(rng)
        item = scene.objects[0]
        for caption in caption_scene(scene, rng, 2):
            words = set(re.findall(r"[a-z]+|[0-9]", caption.text))
            numeral = str(DIGITS.index(caption.claims[0].shape))
            assert caption.holds(scene)
            assert words & {*DIGITS, *"0123456789"} <= {caption.claims[0].shape, numeral}
            assert words & {caption.claims[0].shape, numeral}
            assert item == scene.objects[0]


def test_training_never_shows_or_names_a_held_out_pair() -> None:
    rng = Random("held out")
    for _ in range(3000):
        scene = draw_training_scene(rng)
        shapes = [item for item in scene.objects if isinstance(item, ShapeSpec)]
        assert not {(item.colour, item.shape) for item in shapes} & HELD_OUT
        for caption in caption_scene(scene, rng, 3):
            assert not names_held_out(caption)
            for words in _phrases(caption.text):
                assert (_named(words, COLOURS), _named(words, SHAPES)) not in HELD_OUT


def test_each_held_out_word_is_still_learnt() -> None:
    rng = Random("words")
    seen = {
        word for _ in range(300) for c in caption_scene(draw_training_scene(rng), rng, 3) for word in c.text.split()
    }
    assert set(COLOURS) | set(SHAPES) | set(TEXTURES) <= seen


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


def test_truth_matrix_by_hand() -> None:
    scenes = [_scene(("plain", "red", "star")), _scene(("plain", "red", "cross"), ("plain", "blue", "star"))]
    captions = [
        Caption("a red object", (Claim(colour="red"),)),
        Caption("a red star", (Claim(colour="red", shape="star"),)),
        Caption("a blue star and a cross", (Claim(colour="blue", shape="star"), Claim(shape="cross"))),
    ]
    assert truth_matrix(captions, scenes) == [[True, True], [True, False], [False, True]]


def test_articles_and_plurals() -> None:
    assert (with_article("orange ring"), with_article("red ring")) == ("an orange ring", "a red ring")
    assert (plural("cross"), plural("star")) == ("crosses", "stars")
