"""Average precision and AUC against literal implementations, scikit-learn and their own laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from vlmbench.metrics.base import NOT_ASKED, Estimate
from vlmbench.metrics.ranking import (
    NO_POSITIVE,
    ONE_KIND,
    average_precision,
    average_precision_11_point,
    mean_average_precision,
    mean_average_precision_11_point,
    mean_average_precision_11_point_statistic,
    mean_average_precision_statistic,
    mean_roc_auc,
    mean_roc_auc_statistic,
    roc_auc,
)

Case = tuple[NDArray[np.float64], NDArray[np.bool_]]
SINGLE = [average_precision_11_point, average_precision, roc_auc]
MEAN_OF = {
    mean_average_precision_11_point: average_precision_11_point,
    mean_average_precision: average_precision,
    mean_roc_auc: roc_auc,
}
STATISTIC_OF = {
    mean_average_precision_11_point: mean_average_precision_11_point_statistic,
    mean_average_precision: mean_average_precision_statistic,
    mean_roc_auc: mean_roc_auc_statistic,
}


def literal_11_point(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Everingham et al. 2010, equations 1 and 2, in exact arithmetic: every threshold, every recall."""
    points = []
    for threshold in set(scores.tolist()):
        retrieved = scores >= threshold
        hits = int((retrieved & positive).sum())
        points.append((Fraction(hits, int(positive.sum())), Fraction(hits, int(retrieved.sum()))))
    levels = [Fraction(step, 10) for step in range(11)]
    return float(sum(max(p for recall, p in points if recall >= level) for level in levels) / 11)


def literal_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    return float(np.mean(pairs))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Both kinds present; few score levels, so many ties, or many, so few."""
    n = draw(st.integers(2, 40))
    levels = draw(st.sampled_from([1, 3, 10, 10_000]))
    scores = draw(st.lists(st.integers(0, levels), min_size=n, max_size=n))
    positive = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda p: 0 < sum(p) < len(p)))
    return np.array(scores) / 8, np.array(positive)


def random_multilabel(n: int = 400, classes: int = 5, levels: int | None = None) -> Case:
    generator = np.random.default_rng(9)
    targets = generator.random((n, classes)) < np.linspace(0.03, 0.6, classes)
    scores = generator.normal(size=(n, classes)) + targets
    return (scores if levels is None else np.round(scores * levels)), targets


def test_11_point_by_hand() -> None:
    # Precision 1 at recall 1/2, 2/3 at recall 1: six levels of 1 and five of 2/3.
    value = average_precision_11_point(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False]))
    assert value == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_a_recall_of_three_tenths_reaches_that_level() -> None:
    # Three positives, ten negatives, seven positives. As floats, 0.1 * 3 > 3 / 10 would drop the level 0.3.
    positive = np.array([True] * 3 + [False] * 10 + [True] * 7)
    value = average_precision_11_point(-np.arange(20.0), positive)
    assert value == pytest.approx((4 * 1 + 7 * 10 / 20) / 11)


@settings(deadline=None)
@given(cases())
def test_11_point_agrees_with_the_equations(case: Case) -> None:
    assert average_precision_11_point(*case) == pytest.approx(literal_11_point(*case), abs=1e-12)


@settings(deadline=None)
@given(cases())
def test_average_precision_agrees_with_sklearn(case: Case) -> None:
    scores, positive = case
    assert average_precision(scores, positive) == pytest.approx(average_precision_score(positive, scores), abs=1e-12)


def test_average_precision_agrees_with_the_running_precision() -> None:
    # CLIP_benchmark's way, for distinct scores.
    generator = np.random.default_rng(3)
    scores, positive = generator.permutation(500), generator.random(500) < 0.2
    truth = positive[np.argsort(-scores)]
    precision = np.cumsum(truth) / np.arange(1, 501)
    assert average_precision(scores.astype(float), positive) == pytest.approx(precision[truth].mean())


@settings(deadline=None)
@given(cases())
def test_auc_agrees_with_sklearn_and_the_pairs(case: Case) -> None:
    scores, positive = case
    assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert roc_auc(scores, positive) == pytest.approx(literal_auc(scores, positive), abs=1e-12)


@settings(deadline=None)
@given(cases())
def test_auc_mirrors(case: Case) -> None:
    scores, positive = case
    assert roc_auc(-scores, positive) == pytest.approx(1 - roc_auc(scores, positive), abs=1e-15)
    assert roc_auc(scores, ~positive) == pytest.approx(1 - roc_auc(scores, positive), abs=1e-15)
    assert roc_auc(np.zeros(len(scores)), positive) == 0.5


@pytest.mark.parametrize("metric", SINGLE)
@settings(deadline=None)
@given(case=cases(), random=st.randoms(use_true_random=False))
def test_ranking_laws(metric: Callable[..., float], case: Case, random: Any) -> None:
    scores, positive = case
    value = metric(scores, positive)
    assert 0 <= value <= 1
    order = np.array(random.sample(range(len(scores)), len(scores)))
    assert metric(scores[order], positive[order]) == value
    assert metric(2 * scores**3 - 7, positive) == value
    assert metric(positive.astype(np.float64), positive) == 1.0
    raised = np.where(positive, scores + 1, scores)
    assert metric(raised, positive) >= value - 1e-12


@pytest.mark.parametrize("mean", MEAN_OF)
@pytest.mark.parametrize("levels", [None, 2])
def test_the_mean_is_over_classes(mean: Callable[..., Estimate], levels: int | None) -> None:
    scores, targets = random_multilabel(levels=levels)
    singles = [MEAN_OF[mean](scores[:, c], targets[:, c]) for c in range(targets.shape[1])]
    estimate = mean(scores, targets)
    assert estimate.value == pytest.approx(np.mean(singles), abs=1e-12)
    assert estimate.n == 400
    assert estimate.low is not None and estimate.high is not None
    assert 0 <= estimate.low < estimate.value < estimate.high <= 1
    assert mean(scores, targets, interval=False) == Estimate(estimate.value, None, None, 400, NOT_ASKED)
    assert mean(scores[:, :1], targets[:, :1], interval=False).value == singles[0]


@pytest.mark.parametrize("mean", MEAN_OF)
@pytest.mark.parametrize("levels", [None, 1])
def test_weights_leave_samples_out(mean: Callable[..., Estimate], levels: int | None) -> None:
    """Leaving samples out and computing anew gives what weights of zero give, ties and all."""
    scores, targets = random_multilabel(n=60, classes=3, levels=levels)
    statistic = STATISTIC_OF[mean](scores, targets)
    kept = np.random.default_rng(21).random((40, 60)) < 0.7
    literal = [np.nanmean([MEAN_OF[mean](scores[k, c], targets[k, c]) for c in range(3)]) for k in kept]
    assert statistic(kept.astype(np.int32)) == pytest.approx(literal, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(cases())
def test_intervals_are_ordered_fractions(case: Case) -> None:
    scores, positive = case
    for mean in MEAN_OF:
        estimate = mean(scores[:, None], positive[:, None])
        if estimate.low is None or estimate.high is None:
            assert estimate.reason
        else:
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1 and estimate.low < estimate.high


@pytest.mark.parametrize("mean", MEAN_OF)
def test_classes_without_a_positive_are_left_out(mean: Callable[..., Estimate]) -> None:
    scores, targets = random_multilabel()
    none = np.zeros((400, 1), dtype=bool)
    wider = mean(np.hstack((scores, scores[:, :1])), np.hstack((targets, none)))
    assert wider == mean(scores, targets)
    undefined = mean(scores[:, :1], none)
    assert math.isnan(undefined.value)
    assert (undefined.low, undefined.high, undefined.n) == (None, None, 400)
    assert undefined.reason in (NO_POSITIVE, ONE_KIND)


@pytest.mark.parametrize("metric", SINGLE)
def test_no_positive_is_undefined(metric: Callable[..., float]) -> None:
    assert math.isnan(metric(np.array([0.1, 0.2]), np.array([False, False])))


def test_auc_of_one_class_is_undefined() -> None:
    assert math.isnan(roc_auc(np.array([0.1, 0.2]), np.array([True, True])))
    for label in (0, 1):
        estimate = mean_roc_auc(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([label, label]))
        assert math.isnan(estimate.value)
        assert (estimate.low, estimate.high, estimate.n, estimate.reason) == (None, None, 2, ONE_KIND)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def test_binary_auc_is_that_of_the_probability() -> None:
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 2, 300)
    scores = generator.normal(size=(300, 2)) + generator.normal(size=(300, 1)) * 3
    scores[np.arange(300), labels] += 1
    value = mean_roc_auc(scores, labels, interval=False).value
    assert value == pytest.approx(roc_auc_score(labels, softmax(scores)[:, 1]), abs=1e-12)
    assert value == pytest.approx(roc_auc_score(labels, softmax(scores / 10)[:, 1]), abs=1e-12)
    assert value > roc_auc(scores[:, 1], labels == 1) + 0.1  # the shared part of each row is noise in one column


def test_multiclass_auc_agrees_with_sklearn() -> None:
    generator = np.random.default_rng(6)
    labels = generator.integers(0, 4, 300)
    scores = generator.normal(size=(300, 4)) + np.eye(4)[labels]
    probability = softmax(scores)
    value = mean_roc_auc(probability, labels, interval=False).value
    assert value == pytest.approx(roc_auc_score(labels, probability, multi_class="ovr"), abs=1e-12)
    raw = [roc_auc_score(labels == index, scores[:, index]) for index in range(4)]
    assert mean_roc_auc(scores, labels, interval=False).value == pytest.approx(np.mean(raw), abs=1e-12)


def test_multilabel_auc_agrees_with_sklearn() -> None:
    scores, targets = random_multilabel(classes=2)
    value = mean_roc_auc(scores, targets, interval=False).value
    assert value == pytest.approx(roc_auc_score(targets, scores, average="macro"), abs=1e-12)


ONE = np.array([[0.1, 0.2]])
TWO = np.array([[0.1, 0.2], [0.3, math.nan]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_roc_auc(np.empty((0, 2)), np.array([], dtype=int)), "scores has no samples"),
        (lambda: mean_average_precision(np.empty((0, 2)), np.empty((0, 2), dtype=bool)), "has no samples"),
        (lambda: average_precision(np.array([]), np.array([], dtype=bool)), "scores has no samples"),
        (lambda: mean_average_precision_11_point(TWO, TWO > 0), r"scores\[1, 1\] is NaN"),
        (lambda: mean_roc_auc(TWO, np.array([0, 1])), r"scores\[1, 1\] is NaN"),
        (lambda: roc_auc(TWO[1], np.array([True, False])), r"scores\[1\] is NaN"),
        (lambda: mean_roc_auc(ONE, np.array([2])), r"labels\[0\] is 2; class indices must be in \[0, 2\)"),
        (lambda: mean_roc_auc(ONE, np.array([0.0])), "labels must be integers, got float64"),
        (lambda: mean_roc_auc(ONE, np.array([0, 1])), "lengths differ: scores 1, labels 2"),
        (lambda: mean_roc_auc(ONE[:, :1], np.array([0])), "at least two classes"),
        (lambda: mean_average_precision(ONE, ONE[:, :1] > 0), r"scores \(1, 2\), targets \(1, 1\)"),
        (
            lambda: mean_average_precision(ONE, np.array([[1, -1]])),
            r"targets\[0, 1\] is -1; it must be 0 or 1",
        ),
        (lambda: average_precision(ONE, np.array([True])), r"scores must have 1 axes, got shape \(1, 2\)"),
        (lambda: roc_auc(ONE[0], np.array([True])), "lengths differ: scores 2, positive 1"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_zeros_and_ones_are_flags() -> None:
    scores, targets = random_multilabel()
    assert mean_average_precision(scores, targets.astype(np.int8)) == mean_average_precision(scores, targets)
