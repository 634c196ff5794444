"""The training distribution: everything occurs, no held-out pair is shown or named, and truth is exact."""

from __future__ import annotations

from random import Random

from caption_words import named, phrases
from demo_clip.digits import DIGITS, DigitScene, draw_digit
from demo_clip.scenes import caption_training_scene, draw_training_scene, truth_matrix

from vlmbench.demo.captions import Caption, Claim
from vlmbench.demo.scenes import draw_scene
from vlmbench.demo.spec import COLOURS, HELD_OUT, SHAPES, TEXTURES, SceneSpec, ShapeSpec


def test_the_training_distribution_covers_everything() -> None:
    rng = Random(6)
    seen = [draw_training_scene(rng) for _ in range(400)]
    shapes = [item for scene in seen if isinstance(scene, SceneSpec) for item in scene.objects]
    assert {item.shape for item in shapes} == set(SHAPES)
    assert {item.colour for item in shapes} == set(COLOURS)
    assert {scene.digit for scene in seen if isinstance(scene, DigitScene)} == set(DIGITS)


def test_training_never_shows_or_names_a_held_out_pair() -> None:
    rng = Random("held out")
    for _ in range(3000):
        scene = draw_training_scene(rng)
        if isinstance(scene, SceneSpec):
            assert not {(item.colour, item.shape) for item in scene.objects} & HELD_OUT
        for caption in caption_training_scene(scene, rng, 3):
            assert not any((claim.colour, claim.shape) in HELD_OUT for claim in caption.claims)
            for words in phrases(caption.text):
                assert (named(words, COLOURS), named(words, SHAPES)) not in HELD_OUT


def test_each_held_out_word_is_still_learnt() -> None:
    rng = Random("words")
    seen = {
        word
        for _ in range(300)
        for caption in caption_training_scene(draw_training_scene(rng), rng, 3)
        for word in caption.text.split()
    }
    assert set(COLOURS) | set(SHAPES) | set(TEXTURES) <= seen


def _scene(*kinds: tuple[str, str]) -> SceneSpec:
    black = (0.0, 0.0, 0.0)
    made = tuple(ShapeSpec(shape, colour, "plain", (0.2, 0.8), 0.15, 0.0, black, black, 2.0) for colour, shape in kinds)
    return SceneSpec(draw_scene(Random(0), 1).background, made)


def test_truth_matrix_by_hand() -> None:
    scenes = [_scene(("red", "star")), _scene(("red", "cross"), ("blue", "star")), draw_digit(Random(0), "two")]
    captions = [
        Caption("a red object", (Claim(colour="red"),)),
        Caption("a red star", (Claim(colour="red", shape="star"),)),
        Caption("a blue star and a cross", (Claim(colour="blue", shape="star"), Claim(shape="cross"))),
        Caption("the number 2", (Claim(shape="two"),)),
    ]
    assert truth_matrix(captions, scenes) == [
        [True, True, False],
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
