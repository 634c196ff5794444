"""Recall and ranks: by hand, against scikit-learn and NumPy, and their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from vlmbench.metrics.intervals import wilson
from vlmbench.metrics.retrieval import mean_rank, mean_recall_at_k, median_rank, recall_at_k

RANKS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), min_size=1, max_size=40)


def arrays(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    ranks, groups = zip(*pairs, strict=True)
    return np.array(ranks), np.array(groups)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_recall_of_one_match_a_query_is_scikit_learns_top_k_accuracy(k: int) -> None:
    scores = np.random.default_rng(0).normal(size=(300, 40))
    labels = np.random.default_rng(1).integers(0, 40, 300)
    ranks = 1 + (scores > scores[np.arange(300), labels][:, None]).sum(axis=1)
    expected = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(40))
    assert recall_at_k(ranks, np.arange(300), k).value == pytest.approx(expected, abs=1e-12)


@given(RANKS, st.integers(1, 20))
def test_values_are_plain_means_and_medians(pairs: list[tuple[int, int]], k: int) -> None:
    ranks, groups = arrays(pairs)
    assert recall_at_k(ranks, groups, k).value == pytest.approx((ranks <= k).mean())
    assert mean_rank(ranks, groups).value == pytest.approx(ranks.mean())
    assert median_rank(ranks, groups).value == np.median(ranks)


@given(RANKS)
def test_recall_grows_with_k_and_order_means_nothing(pairs: list[tuple[int, int]]) -> None:
    ranks, groups = arrays(pairs)
    values = [recall_at_k(ranks, groups, k).value for k in (1, 5, 10, 50)]
    assert values == sorted(values) and values[-1] == 1.0
    order = np.random.default_rng(0).permutation(len(ranks))
    assert median_rank(ranks[order], groups[order]) == median_rank(ranks, groups)


def test_independent_queries_have_wilsons_interval() -> None:
    estimate = recall_at_k(np.array([1, 2, 3, 1, 9]), np.arange(5), 2)
    assert (estimate.low, estimate.high) == wilson(3, 5)
    assert estimate.n == 5


def test_captions_of_one_image_count_together() -> None:
    """Five equal captions an image tell no more than one: the interval must not shrink by the square root of five."""
    hits = np.random.default_rng(0).random(200) < 0.5
    ranks = np.where(np.repeat(hits, 5), 1, 2)
    grouped = recall_at_k(ranks, np.repeat(np.arange(200), 5), 1)
    as_if_independent = recall_at_k(ranks, np.arange(1000), 1)
    assert grouped.low is not None and grouped.high is not None and grouped.n == 200
    assert as_if_independent.low is not None and as_if_independent.high is not None
    ratio = (grouped.high - grouped.low) / (as_if_independent.high - as_if_independent.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.15)


def test_the_interval_of_a_median_is_made_of_ranks_and_holds_it() -> None:
    """Of 100 independent queries Wilson's interval of one half is 40.4 % to 59.6 %: the 41st to the 60th rank."""
    ranks = np.arange(1, 101)
    estimate = median_rank(ranks, np.arange(100))
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert (estimate.low, estimate.value, estimate.high) == (41, 50.5, 60)
    alike = median_rank(np.repeat(ranks, 5), np.repeat(np.arange(100), 5))
    assert (alike.low, alike.high) == (41, 60), "five equal captions an image tell no more than one"


def test_one_rank_is_no_interval() -> None:
    ones = np.ones(60, dtype=np.int64)
    for found in (median_rank(ones, np.arange(60)), mean_rank(ones, np.arange(60))):
        assert (found.value, found.low, found.high) == (1.0, None, None) and found.reason
    assert median_rank(ones, np.arange(60)).reason == "both ends are rank 1"


def test_captions_that_are_all_found_are_as_many_images() -> None:
    ones, images = np.ones(60, dtype=np.int64), np.repeat(np.arange(30), 2)
    for found in (recall_at_k(ones, images, 1), mean_recall_at_k(ones[:30], ones, images, 1)):
        assert (found.value, found.low, found.high, found.reason) == (1.0, *wilson(30, 30), "")


@given(RANKS, st.integers(1, 20))
def test_an_interval_holds_its_value_and_has_a_width_or_a_reason(pairs: list[tuple[int, int]], k: int) -> None:
    ranks, groups = arrays(pairs)
    for found in (recall_at_k(ranks, groups, k), mean_rank(ranks, groups), median_rank(ranks, groups)):
        if found.low is None or found.high is None:
            assert found.reason
        else:
            assert found.low <= found.value <= found.high and found.low < found.high and not found.reason


def test_the_mean_of_both_directions() -> None:
    image_ranks, caption_ranks, images = np.array([1, 2, 1]), np.array([1, 4, 1, 1, 6]), np.array([0, 0, 1, 2, 2])
    value = mean_recall_at_k(image_ranks, caption_ranks, images, 1).value
    assert value == pytest.approx((2 / 3 + 3 / 5) / 2)
    for wrong in (images[:3], np.array([0, 0, 7, 9, 9]), np.array([0, 0, 0, 1, 1])):
        with pytest.raises(ValueError, match="every image from 0 to 2 needs a caption"):
            mean_recall_at_k(image_ranks, caption_ranks[: len(wrong)], wrong, 1)
    with pytest.raises(ValueError, match="k of 1 or more"):
        mean_recall_at_k(image_ranks, caption_ranks, images, 0)


@pytest.mark.parametrize(
    ("ranks", "groups", "k", "message"),
    [
        ([0, 1], [0, 1], 1, "ranks count from 1"),
        ([1, 2], [0], 1, "lengths differ"),
        ([], [], 1, "no samples"),
        ([1, 2], [0, 1], 0, "k of 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(ranks: list[int], groups: list[int], k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recall_at_k(np.array(ranks, dtype=np.int64), np.array(groups, dtype=np.int64), k)
