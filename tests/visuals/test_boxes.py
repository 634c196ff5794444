"""Boxes: their colours, which are drawn, where labels stand, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from visuals.inputs import HOSTILE, near, opened

from vlmbench.visuals.boxes import BoxSet, draw_boxes
from vlmbench.visuals.colours import class_colour
from vlmbench.visuals.text import font
from vlmbench.visuals.text_labels import TextLabel, place_labels

NONE = BoxSet(np.empty((0, 4)), np.empty(0, dtype=int), np.empty(0))
IMAGE = PIL.Image.new("RGB", (200, 200), "black")


def boxes(*corners: tuple[float, ...], scores: list[float] | None = None, label: int = 0) -> BoxSet:
    labels = np.full(len(corners), label)
    return BoxSet(np.array(corners, dtype=float), labels, None if scores is None else np.array(scores))


def test_each_box_is_drawn_in_its_classs_colour_on_its_side() -> None:
    true = boxes((20, 60, 100, 100), label=0)
    predicted = boxes((20, 60, 100, 100), scores=[0.9], label=1)
    image = opened(draw_boxes(IMAGE, predicted, true, ["", ""]))
    halves = image.crop((0, 0, image.width // 2, image.height)), image.crop((image.width // 2, 0, *image.size))
    assert [near(half, class_colour(0), 0) > 100 for half in halves] == [True, False]
    assert [near(half, class_colour(1), 0) > 100 for half in halves] == [False, True]


def test_only_the_surest_are_drawn_and_nan_is_the_least_sure() -> None:
    spots = [(x, 50.0, x + 5.0, 60.0) for x in np.linspace(0, 180, 12)]
    low = BoxSet(np.array([*spots, (100, 150, 150, 190)]), np.array([0] * 12 + [1]), np.array([0.5] * 12 + [np.nan]))
    image = opened(draw_boxes(IMAGE, low, NONE, ["a", "b"]))
    assert near(image, class_colour(0), 0) > 0 == near(image, class_colour(1), 0)
    high = BoxSet(low.corners, low.labels, np.array([0.5] * 12 + [0.6]))
    assert near(opened(draw_boxes(IMAGE, high, NONE, ["a", "b"])), class_colour(1), 0) > 0


@pytest.mark.parametrize("box", [(300, 300, 400, 400), (-50, -50, -10, -10), (np.nan, 0, 10, 10), (0, 0, np.inf, 9)])
def test_boxes_outside_or_of_no_numbers_are_counted_not_drawn(box: tuple[float, ...]) -> None:
    image = opened(draw_boxes(IMAGE, boxes(box, scores=[0.5]), boxes(box), ["a"]))
    assert near(image, class_colour(0), 0) == 0


@pytest.mark.parametrize("size", [(1, 1), (10_000, 50), (50, 3000)])
def test_any_size_name_and_number(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    corners = random.normal(0, 1e4, (500, 4))
    corners[::7] = np.nan
    scores = random.normal(0, 1, 500)
    scores[::5] = np.nan
    hostile = BoxSet(corners, np.arange(500) % len(HOSTILE), scores)
    image = PIL.Image.new("L", size)
    first, second = (draw_boxes(image, hostile, hostile, HOSTILE, title=HOSTILE[0]) for _ in range(2))
    opened(first)
    assert first == second


def test_boxes_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        BoxSet(np.zeros((2, 4)), np.zeros(1, dtype=int))
    with pytest.raises(ValueError, match="need scores"):
        draw_boxes(IMAGE, boxes((0, 0, 1, 1)), NONE, ["a"])
    with pytest.raises(ValueError, match="outside of the 1"):
        draw_boxes(IMAGE, NONE, boxes((0, 0, 1, 1), label=1), ["a"])


def test_labels_stay_inside_and_apart() -> None:
    picture = PIL.Image.new("RGB", (200, 100))
    spots = [(190.0, -30.0), (190.0, 20.0), (190.0, 50.0), (190.0, 500.0)]
    drawn = place_labels(picture, [TextLabel(f"label {index}", (9, 9, 9), spots) for index in range(4)], font(13))
    for left, top, right, bottom in drawn:
        assert left >= 0 and top >= 0 and right <= 199 and bottom <= 99
    assert len(drawn) == 4
    for place, one in enumerate(drawn):
        assert not any(one[1] < other[3] and other[1] < one[3] for other in drawn[:place])


def test_a_label_that_may_not_overlap_is_left_out() -> None:
    picture = PIL.Image.new("RGB", (200, 100))
    labels = [TextLabel("label", (9, 9, 9), [(5.0, 5.0)], may_overlap=False)] * 2
    assert len(place_labels(picture, labels, font(13))) == 1


def test_masks_are_tinted_in_their_classs_colour_at_any_size() -> None:
    """The right half of a black picture, whose mask has another size than the panel."""
    mask = np.zeros((200, 200), dtype=bool)
    mask[:, 100:] = True
    found = BoxSet(np.array([[100.0, 0, 200, 200]]), np.array([1]), np.array([0.5]), [mask])
    plain = BoxSet(found.corners, found.labels, found.scores)
    tinted, bare = (opened(draw_boxes(IMAGE, each, NONE, ["a", "b"])) for each in (found, plain))
    changed = (np.asarray(tinted) != np.asarray(bare)).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert 0.35 < changed.sum() / changed.size * 2 * 2 < 1, "half of one of two panels"
    inside = np.asarray(tinted)[rows.mean().astype(int), columns.mean().astype(int)]
    assert inside == pytest.approx(np.array(class_colour(1)) * 0.45, abs=3)


def test_boxes_beyond_the_masks_are_drawn_without() -> None:
    corners = np.array([[10.0, 10, 50, 50], [100, 100, 150, 150]])
    some = BoxSet(corners, np.array([0, 1]), np.array([0.9, 0.8]), [np.ones((200, 200), dtype=bool)])
    image = opened(draw_boxes(IMAGE, some, NONE, ["a", "b"]))
    assert near(image, class_colour(1), 0) > 0
