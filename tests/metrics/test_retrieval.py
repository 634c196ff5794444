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
    assert recall_at_k(ranks, groups, k, resamples=0).value == pytest.approx((ranks <= k).mean())
    assert mean_rank(ranks, groups, resamples=0).value == pytest.approx(ranks.mean())
    assert median_rank(ranks, groups, resamples=0).value == np.median(ranks)


@given(RANKS)
def test_recall_grows_with_k_and_order_means_nothing(pairs: list[tuple[int, int]]) -> None:
    ranks, groups = arrays(pairs)
    values = [recall_at_k(ranks, groups, k, resamples=0).value for k in (1, 5, 10, 50)]
    assert values == sorted(values) and values[-1] == 1.0
    order = np.random.default_rng(0).permutation(len(ranks))
    assert median_rank(ranks[order], groups[order]) == median_rank(ranks, groups)


def test_independent_queries_have_wilsons_interval() -> None:
    estimate = recall_at_k(np.array([1, 2, 3, 1, 9]), np.arange(5), 2)
    assert (estimate.low, estimate.high) == wilson(3, 5)
    assert estimate.n == 5


def test_captions_of_one_image_are_drawn_together() -> None:
    """Five equal captions an image tell no more than one: the interval must not shrink by the square root of five."""
    hits = np.random.default_rng(0).random(200) < 0.5
    ranks = np.where(np.repeat(hits, 5), 1, 2)
    grouped = recall_at_k(ranks, np.repeat(np.arange(200), 5), 1)
    as_if_independent = recall_at_k(ranks, np.arange(1000), 1)
    assert grouped.low is not None and grouped.high is not None and grouped.n == 200
    assert as_if_independent.low is not None and as_if_independent.high is not None
    ratio = (grouped.high - grouped.low) / (as_if_independent.high - as_if_independent.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.15)


def test_a_resamples_median_is_numpys_on_the_drawn_captions() -> None:
    """The bootstrap's own draws, repeated literally."""
    ranks, groups = np.array([1, 7, 3, 3, 12, 2]), np.array([0, 0, 1, 2, 2, 2])
    generator = np.random.default_rng(3)
    drawn = [generator.integers(0, 3, size=3) for _ in range(50)]
    medians = [np.median(np.concatenate([ranks[groups == image] for image in images])) for images in drawn]
    estimate = median_rank(ranks, groups, seed=3, resamples=50)
    assert (estimate.low, estimate.high) == tuple(np.quantile(medians, [0.025, 0.975]))


def test_the_mean_of_both_directions() -> None:
    image_ranks, caption_ranks, images = np.array([1, 2, 1]), np.array([1, 4, 1, 1, 6]), np.array([0, 0, 1, 2, 2])
    value = mean_recall_at_k(image_ranks, caption_ranks, images, 1, resamples=0).value
    assert value == pytest.approx((2 / 3 + 3 / 5) / 2)
    for wrong in (images[:3], np.array([0, 0, 7, 9, 9]), np.array([0, 0, 0, 1, 1])):
        with pytest.raises(ValueError, match="of the images 0 to 2, each with one or more"):
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
