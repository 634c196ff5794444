"""Differences of classification against plain loops over resampled rows, with scikit-learn on each."""

from __future__ import annotations

import numpy as np
import pytest
from answers.draws import RESAMPLES, N, by_name, check, class_differences, compared, shuffled, single_labels
from answers.made import CLASSES, answers, classified, tagged
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from vlmbench.metrics.classification import expected_calibration_error


@pytest.fixture
def single() -> tuple[np.ndarray, list[np.ndarray]]:
    return single_labels()


@pytest.fixture
def tags() -> tuple[np.ndarray, list[np.ndarray]]:
    random = np.random.default_rng(2)
    targets = random.random((N, 4)) < 0.3
    return targets, [(random.normal(size=(N, 4)) + targets).round(1).astype(np.float32) for _ in range(2)]


def test_accuracy_is_mcnemars(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    right = [row.argmax(axis=1) == labels for row in scores]
    found = compared([classified(labels, row) for row in scores], "acc1", lambda model, rows: right[model][rows].mean())
    assert found.method == "mcnemar" and found.n == N
    assert (found.gained, found.lost) == ((right[1] & ~right[0]).sum(), (right[0] & ~right[1]).sum())
    second = [(np.argsort(-row, axis=1)[:, :2] == labels[:, None]).any(axis=1) for row in scores]
    found = compared(
        [classified(labels, row) for row in scores], "acc2", lambda model, rows: second[model][rows].mean()
    )
    assert found.differing == (second[0] != second[1]).sum()


def test_class_recalls_and_calibration(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    tables = [classified(labels, row) for row in scores]
    guesses = [row.argmax(axis=1) for row in scores]

    def recall(model: int, rows: np.ndarray) -> float:
        return float(balanced_accuracy_score(labels[rows], guesses[model][rows]))

    check(found := compared(tables, "mean_per_class_recall", recall), recall, N)
    assert found.differing == ((guesses[0] == labels) != (guesses[1] == labels)).sum()

    def error(model: int, rows: np.ndarray) -> float:
        sure = np.asarray(tables[model]["confidence"])[rows]
        return expected_calibration_error(sure, (guesses[model] == labels)[rows]).value

    check(compared(tables, "ece", error), error, N)


def test_areas_of_single_labels(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    """One class against the rest by probability at the record's logit scale, which is 1 here."""
    labels, scores = single
    exponents = [np.exp(row.astype(float)) for row in scores]
    likely = [row / row.sum(axis=1, keepdims=True) for row in exponents]

    def area(model: int, rows: np.ndarray) -> float:
        return float(np.mean([roc_auc_score(labels[rows] == label, likely[model][rows, label]) for label in range(4)]))

    check(compared([classified(labels, row) for row in scores], "roc_auc", area), area, N)


@pytest.mark.parametrize("metric", ["mean_average_precision", "roc_auc"])
def test_rankings_of_many_labels(metric: str, tags: tuple[np.ndarray, list[np.ndarray]]) -> None:
    targets, scores = tags
    each = average_precision_score if metric == "mean_average_precision" else roc_auc_score

    def mean(model: int, rows: np.ndarray) -> float:
        return float(np.mean([each(targets[rows, label], scores[model][rows, label]) for label in range(4)]))

    check(compared([tagged(targets, row) for row in scores], metric, mean), mean, N)


def test_classes_of_single_labels_are_mcnemars(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    right = [row.argmax(axis=1) == labels for row in scores]
    sides = [answers(classified(labels, row), {"acc1": own.mean()}) for row, own in zip(scores, right, strict=True)]
    rows = by_name(class_differences(sides[0], shuffled(sides[1]), "acc1"))
    assert list(rows) == CLASSES
    for label, name in enumerate(CLASSES):
        own = labels == label
        assert rows[name].n == own.sum() and rows[name].value == "recall"
        assert rows[name].difference.value == pytest.approx(right[1][own].mean() - right[0][own].mean())
        assert rows[name].difference.method == "mcnemar"


def test_classes_of_many_labels(tags: tuple[np.ndarray, list[np.ndarray]]) -> None:
    targets, scores = tags

    def precision(label: int, model: int, rows: np.ndarray) -> float:
        return float(average_precision_score(targets[rows, label], scores[model][rows, label]))

    whole = [np.mean([precision(label, model, np.arange(N)) for label in range(4)]) for model in range(2)]
    sides = [
        answers(tagged(targets, row), {"mean_average_precision": mean}) for row, mean in zip(scores, whole, strict=True)
    ]
    rows = by_name(class_differences(sides[0], shuffled(sides[1]), "mean_average_precision", resamples=RESAMPLES))
    for label, name in enumerate(CLASSES):
        check(rows[name].difference, lambda model, rows, label=label: precision(label, model, rows), N)
        assert rows[name].n >= targets[:, label].sum()
