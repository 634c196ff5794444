"""RareAct's metrics: worked by hand, and against a literal reading of the definition with scikit-learn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from vlmbench.metrics.rare_actions import (
    ActionRows,
    action_rows,
    mean_sampled_average_precision,
    mean_weighted_average_precision,
    weighted_average_precision,
)

VERBS, NOUNS = ("cut", "cut", "wash", "drop"), ("phone", "shoe", "phone", "egg")

ACTIONS = np.array([0, 0, 0, 0, 0, 1, 2, 3, 3, 3])
MARKS = np.array([1, 1, 0, 2, 4, 1, 1, 1, 0, 3])
VIDEOS = np.array([5, 5, 5, 6, 6, 6, 7, 8, 8, 9])


def rows_of(action: int, **changes: NDArray[np.int64]) -> ActionRows:
    data = {"actions": ACTIONS, "annotations": MARKS, "videos": VIDEOS, **changes}
    (found,) = [rows for rows in action_rows(verbs=VERBS, nouns=NOUNS, **data) if rows.action == action]
    return found


def literal(scores: NDArray[np.float64], action: int) -> float:
    """The authors' definition, group by group."""
    groups: dict[str, list[int]] = {"positive": [], "hard": [], "negative": []}
    for row, (asked, mark) in enumerate(zip(ACTIONS, MARKS, strict=True)):
        if asked == action:
            groups["positive" if mark == 1 else "hard" if mark else "negative"].append(row)
        elif mark == 1:
            same = (VERBS[asked] == VERBS[action]) + (NOUNS[asked] == NOUNS[action])
            groups["hard" if same == 1 else "negative"].append(row)
    truth, values, weights = [], [], []
    for name, members in groups.items():
        count = Counter(VIDEOS[row] for row in members)
        for row in members:
            truth.append(name == "positive")
            values.append(scores[row])
            weights.append(1 / count[VIDEOS[row]])
    return float(average_precision_score(truth, values, sample_weight=weights))


def test_which_rows_are_ranked_and_what_they_weigh() -> None:
    rows = rows_of(0)
    assert rows.rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]  # not 8 and 9: other actions' rows that show nothing
    assert rows.positive.tolist() == [True, True] + [False] * 6
    # Rows 0 and 1 are one video's positives; 3, 4 and 5 its hard negatives (5 shows "cut shoe"); 6 shows "wash phone".
    assert rows.weights.tolist() == pytest.approx([1 / 2, 1 / 2, 1, 1 / 3, 1 / 3, 1 / 3, 1, 1])


def test_worked_by_hand() -> None:
    scores = np.array([0.9, 0.6, 0.8, 0.7, 0.1, 0.2, 0.3, 0.4, 0.95, 0.99])
    # Order 0 (+, 1/2), 2 (1), 3 (1/3), 1 (+, 1/2), …: half the recall at precision 1, half at (1/2 + 1/2) / (7/3).
    assert weighted_average_precision(scores, rows_of(0)) == pytest.approx(0.5 * 1 + 0.5 * 3 / 7)


def test_equal_scores_are_one_threshold() -> None:
    # Of a weight of 1 + 1 + 1 + 1 + 1 (units), 1 is positive.
    assert weighted_average_precision(np.zeros(10), rows_of(0)) == pytest.approx(1 / 5)


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_is_the_literal_definitions(seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 6, (10, 4)) / 6  # with ties
    ranked = action_rows(ACTIONS, MARKS, VIDEOS, VERBS, NOUNS)
    assert [rows.action for rows in ranked] == [0, 1, 2, 3]
    expected = [literal(scores[:, action], action) for action in range(4)]
    for rows, value in zip(ranked, expected, strict=True):
        assert weighted_average_precision(scores[:, rows.action], rows) == pytest.approx(value)
    estimate = mean_weighted_average_precision(scores, ranked)
    assert estimate.value == pytest.approx(np.mean(expected)) and estimate.n == 10
    assert estimate.low is None and "videos are too few" in estimate.reason


def test_actions_without_a_positive_are_left_out() -> None:
    marks = np.where(ACTIONS == 0, 0, MARKS)
    ranked = action_rows(ACTIONS, marks, VIDEOS, VERBS, NOUNS)
    assert [rows.action for rows in ranked] == [1, 2, 3]


def test_one_row_a_video_makes_all_three_the_same() -> None:
    scores = np.random.default_rng(3).random((10, 4))
    ranked = action_rows(ACTIONS, MARKS, np.arange(10), VERBS, NOUNS)
    plain = [average_precision_score(rows.positive, scores[rows.rows, rows.action]) for rows in ranked]
    assert mean_weighted_average_precision(scores, ranked, interval=False).value == pytest.approx(np.mean(plain))
    assert mean_sampled_average_precision(scores, ranked, samplings=3).value == pytest.approx(np.mean(plain))


def test_sampling_takes_one_row_a_video_and_group() -> None:
    scores = np.zeros((10, 4))
    scores[:, 0] = [0.9, 0.1, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    ranked = [rows_of(0)]
    # Row 0 stands for its video in half the samplings (AP 1), row 1 in the other half (second after row 2: AP 1/2).
    value = mean_sampled_average_precision(scores, ranked, samplings=4000).value
    assert value == pytest.approx(0.75, abs=0.02)
    one = mean_sampled_average_precision(scores, ranked, samplings=1).value
    assert one in (0.5, 1.0)
    assert mean_sampled_average_precision(scores, ranked, seed=7) == mean_sampled_average_precision(
        scores, ranked, seed=7
    )


def test_the_interval_leaves_out_videos() -> None:
    """Twice the clips of every video tell no more: the interval stays as it is."""
    random = np.random.default_rng(0)
    videos = np.arange(200)
    actions, marks = videos % 4, (random.random(200) < 0.4).astype(np.int64)
    scores = random.random((200, 4)) + 0.4 * (marks[:, None] * (actions[:, None] == np.arange(4)))
    once = mean_weighted_average_precision(scores, action_rows(actions, marks, videos, VERBS, NOUNS))
    rows = np.repeat(np.arange(200), 2)
    twice = mean_weighted_average_precision(
        scores[rows], action_rows(actions[rows], marks[rows], videos[rows], VERBS, NOUNS)
    )
    assert once.low is not None and once.high is not None and once.low < once.value < once.high
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="the same verb and noun"):
        action_rows(ACTIONS, MARKS, VIDEOS, ("cut",) * 4, ("egg",) * 4)
    with pytest.raises(ValueError, match="lengths differ"):
        action_rows(ACTIONS, MARKS[:3], VIDEOS, VERBS, NOUNS)
    with pytest.raises(ValueError, match="no action has a positive"):
        mean_weighted_average_precision(np.zeros((2, 2)), [])
    with pytest.raises(ValueError, match="NaN"):
        mean_sampled_average_precision(np.full((10, 4), np.nan), [rows_of(0)])
    with pytest.raises(ValueError, match="at least one sampling"):
        mean_sampled_average_precision(np.zeros((10, 4)), [rows_of(0)], samplings=0)
