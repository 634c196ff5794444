"""How far two scores lie apart, by what they are; and what can be held against nothing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vlmbench.answers.columns import flat_numbers
from vlmbench.answers.rounding import TOLERANCE, ScoreKind, Scores, distances, largest_distance

ULP = float(np.finfo(np.float32).eps)


def apart(before: list[float], after: list[float], kind: ScoreKind, lengths: list[int] | None = None) -> list[float]:
    each = np.array(lengths or [1] * len(before), dtype=np.int64)
    return distances(np.array(before), np.array(after), each, kind).tolist()


def test_cosines_count_as_they_are_and_logits_by_the_largest_of_their_sample() -> None:
    assert apart([0.1, 0.4], [0.1 + 1e-6, 0.4], "similarity") == pytest.approx([1e-6, 0], rel=1e-6)
    found = apart([40.0, -0.5, 0.2, 0.3], [40.0, -0.5 + 4e-4, 0.2, 0.3], "similarity", [2, 2])
    assert found == pytest.approx([0, 1e-5, 0, 0], rel=1e-3), "the unit is 40 in the first sample, 1 in the second"


@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_a_real_change_of_scores_that_are_all_small_is_no_rounding(size: float) -> None:
    before = size * np.linspace(0, 1, 50)
    changed = before + 0.05 * size * np.cos(np.arange(50))
    ones = np.ones(50, dtype=np.int64)
    assert distances(before, changed, ones, "similarity").max() > TOLERANCE
    assert distances(before, before + 1e-8 * size, ones, "similarity").max() < TOLERANCE


def test_one_score_and_equal_ones_are_held_against_the_plain_unit() -> None:
    for before in ([0.3], [0.3] * 4, [0.1] * 3):  # the mean of three times 0.1 is not 0.1
        after = [score + 1e-7 for score in before]
        assert max(apart(before, after, "similarity")) == pytest.approx(1e-7, rel=1e-3)
        assert min(apart(before, [score + 1e-3 for score in before], "similarity")) > TOLERANCE
    assert max(apart([0.3] * 4, [0.3, 0.3 + 3e-8, 0.3, 0.3], "similarity")) == pytest.approx(3e-8, rel=1e-3)
    assert max(apart([0.0] * 3, [0.0, 1e-7, 2e-7], "similarity")) > TOLERANCE, "small, and they were equal before"
    assert apart([40.0], [40.0 + 4e-5], "similarity") == pytest.approx([1e-6], rel=1e-3)


def test_a_probability_moves_as_far_as_a_logit_can_move_it() -> None:
    for probability in (1e-4, 0.02, 0.5, 0.98, 0.9999):
        logit = np.log(probability / (1 - probability))
        moved = 1 / (1 + np.exp(-logit - 100 * 4e-7))  # cosines off by 4e-7, a scale of 100
        changed = 1 / (1 + np.exp(-logit - 100 * 1e-4))
        assert apart([probability], [moved], "probability")[0] < TOLERANCE / 10
        assert apart([probability], [changed], "probability")[0] > TOLERANCE
    assert apart([1.0], [1 - ULP], "probability")[0] <= TOLERANCE
    assert apart([1.0], [1 - 1e-5], "probability")[0] > TOLERANCE
    assert apart([1e-7], [2e-7], "probability")[0] > TOLERANCE, "twice as much is no rounding"
    assert apart([7.0], [7.001], "probability")[0] > TOLERANCE, "a detector's scores need not be probabilities"


def test_a_box_moves_by_how_far_it_reaches() -> None:
    box = [2.0, 0.0, 998.0, 40.0]
    assert max(apart(box, [2.0, 0.0, 998.005, 40.0], "box", [4])) == pytest.approx(5e-6, rel=1e-3)
    assert max(apart(box, [2.0, 0.1, 998.0, 40.0], "box", [4])) > TOLERANCE
    assert max(apart([0.5, 0.5, 1.0, 1.0], [0.501, 0.5, 1.0, 1.0], "box", [4])) > TOLERANCE


def test_zeros_of_both_signs_are_one_number_and_what_is_not_finite_agrees_with_itself_alone() -> None:
    assert apart([0.0, 0.5], [-0.0, 0.5], "similarity") == [0, 0]
    assert apart([0.0], [-0.0], "probability") == [0]
    assert apart([np.nan, 1.0], [np.nan, 1.0], "similarity")[0] == np.inf
    assert apart([np.inf, 1.0], [np.inf, 1.0], "similarity") == [0, 0]
    assert apart([np.inf, 1.0], [1.0, 1.0], "similarity")[0] == np.inf
    assert apart([np.inf], [-np.inf], "probability") == [np.inf]


def column(values: list[object], kind: pa.DataType) -> pa.Table:
    return pa.table({"scores": pa.array(values, kind)})


def test_lists_of_other_lengths_missing_numbers_and_text_are_held_against_nothing() -> None:
    lists, own = pa.list_(pa.float32()), Scores("scores")
    full = column([[0.5, 0.25], [], [1.0]], lists)
    assert largest_distance(full, full, own) == 0
    assert largest_distance(full, column([[0.5], [0.25], [1.0]], lists), own) is None, "as many, of other samples"
    assert largest_distance(full, column([[0.5, 0.25], [], []], lists), own) is None
    assert largest_distance(full, column([[0.5, None], [], [1.0]], lists), own) is None
    assert largest_distance(full, column([[0.5, 0.25], None, [1.0]], lists), own) is None
    assert largest_distance(column(["a"], pa.string()), column(["a"], pa.string()), own) is None
    assert largest_distance(column([], lists), column([], lists), own) == 0
    wide = column([[0.5, 0.25], [], [1.0]], pa.large_list(pa.float64()))
    assert largest_distance(full, wide, own) == 0, "however they are stored"


def test_lists_of_lists_are_counted_by_row() -> None:
    boxes = pa.table(
        {"b": pa.array([[[1, 2, 3, 4], [5, 6, 7, 8]], [], [[9, 9, 9, 9]]], pa.list_(pa.list_(pa.int32(), 4)))}
    )
    found = flat_numbers(boxes.slice(1), "b")
    assert found is not None and found[0].tolist() == [9] * 4 and found[1].tolist() == [0, 4]
    found = flat_numbers(boxes, "b")
    assert found is not None and found[1].tolist() == [8, 0, 4]
