"""Computes the metrics of classification from tables of predictions. The gate and rankings use it to compare runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlmbench.answers.columns import numbers, owners, rows, runs
from vlmbench.answers.measured import (
    ClassShares,
    ClassStatistics,
    Confidences,
    Contributions,
    Measured,
    Pairing,
    SampleChanges,
)
from vlmbench.answers.rounding import Scores
from vlmbench.metrics.classification import calibration_error_statistic, mean_per_class_recall_statistic
from vlmbench.metrics.harmonic import HARMONIC, METRICS, NEW, harmonic_statistic, share_statistic
from vlmbench.metrics.paired import class_mean_contributions
from vlmbench.metrics.ranking import (
    class_average_precision_statistics,
    mean_average_precision_11_point_statistic,
    mean_average_precision_statistic,
    mean_roc_auc_statistic,
)
from vlmbench.records import Summary
from vlmbench.tasks.classification.inspected import inspected

_COLUMNS = ("label", "labels", "top", "top_scores", "confidence", "scale", "scores", "closed")
_ANSWERS = ("top", "confidence")
_SCORES = (
    Scores("confidence", "probability"),
    Scores("top_scores", optional=True),
    Scores("scores", optional=True),
    Scores("scale", optional=True),
)


def measured(record: Summary, table: pa.Table, metric: str) -> Measured | None:
    """A metric of a table; None if this kind of task does not know the metric."""
    if found := re.fullmatch(r"acc([1-5])", metric):
        right = hits(table, int(found[1]))
        return Measured(
            len(right),
            lambda weights: weights @ right / len(right),
            right,
            right=right,
            classes=lambda: _recalls(table),
        )
    if metric == "mean_per_class_recall":
        right = hits(table, 1)
        recall = mean_per_class_recall_statistic(_top(table)[:, 0], _labels(table))
        return Measured(len(right), recall, right, classes=lambda: _recalls(table))
    if metric == "ece":
        right, confidence = hits(table, 1), numbers(table, "confidence").astype(np.float32)
        error = calibration_error_statistic(confidence, right)
        return Measured(len(right), error, np.stack([confidence, right], axis=1), classes=lambda: _recalls(table))
    if metric in ("mean_average_precision", "map_11_point"):
        scores, targets = _scores(table), _targets(table)
        exact = metric == "mean_average_precision"
        make = mean_average_precision_statistic if exact else mean_average_precision_11_point_statistic
        return Measured(len(scores), make(scores, targets), scores, classes=lambda: _precisions(table))
    if metric == "roc_auc":
        return _roc_auc(record, table)
    if metric in METRICS:
        return _of_halves(record, table, metric)
    return None


def _of_halves(record: Summary, table: pa.Table, metric: str) -> Measured | None:
    """A metric of the setting base-to-new; None if the record is of another setting."""
    base = record.task.protocol.get("base_classes")
    if not isinstance(base, int):
        return None
    labels = _labels(table)
    right: NDArray[np.bool_] = numbers(table, "closed").astype(np.int64) == labels
    is_new = labels >= base
    if metric == HARMONIC:
        statistic = harmonic_statistic(right, is_new)
    else:
        statistic = share_statistic(right, is_new if metric == NEW else ~is_new)
    return Measured(len(right), statistic, np.stack([right, is_new], axis=1))


def hits(table: pa.Table, k: int) -> NDArray[np.bool_]:
    """(N,) whether the true class is among the k classes with the highest scores."""
    return np.asarray((_top(table)[:, :k] == _labels(table)[:, None]).any(axis=1))


def _roc_auc(record: Summary, table: pa.Table) -> Measured:
    scores = _scores(table)
    if "labels" in table.column_names:
        return Measured(
            len(scores), mean_roc_auc_statistic(scores, _targets(table)), scores, classes=lambda: _precisions(table)
        )
    ranked = scores.astype(np.float64)
    scale = _scale(record, table)
    if scores.shape[1] > 2 and scale:  # the task ranks probabilities, not logits
        exponents = np.exp(scale * (ranked - ranked.max(axis=1, keepdims=True)))
        ranked = exponents / exponents.sum(axis=1, keepdims=True)
    return Measured(
        len(scores), mean_roc_auc_statistic(ranked, _labels(table)), scores, classes=lambda: _recalls(table)
    )


def _scale(record: Summary, table: pa.Table) -> float:
    """The factor of the scores before a softmax: of the answers, or else of the model. 0: they are probabilities."""
    if "scale" in table.column_names:
        return float(numbers(table, "scale")[0])
    return 1.0 if record.model.logit_scale is None else record.model.logit_scale


def _recalls(table: pa.Table) -> ClassShares:
    return ClassShares("recall", _labels(table), hits(table, 1))


def _precisions(table: pa.Table) -> ClassStatistics:
    scores, targets = _scores(table), _targets(table)
    return ClassStatistics(
        "average_precision", class_average_precision_statistics(scores, targets), scores, targets.sum(axis=0)
    )


def _top(table: pa.Table) -> NDArray[np.int64]:
    return rows(table, "top").astype(np.int64)


def _labels(table: pa.Table) -> NDArray[np.int64]:
    return numbers(table, "label").astype(np.int64)


def _scores(table: pa.Table) -> NDArray[Any]:
    """(N, C) scores: float32, or float64 if answers that were made elsewhere need it."""
    found = rows(table, "scores")
    return found if found.dtype == np.float64 else found.astype(np.float32)


def _targets(table: pa.Table) -> NDArray[np.bool_]:
    present, lengths = runs(table, "labels")
    targets = np.zeros(_scores(table).shape, dtype=bool)
    targets[owners(lengths), present.astype(np.int64)] = True
    return targets


def contributions(metric: str) -> Contributions | None:
    """Each sample's contribution to an accuracy, or to the mean of the classes' recalls."""
    if accuracy := re.fullmatch(r"acc([1-5])", metric):
        return Contributions(("label", "top"), lambda table: hits(table, int(accuracy[1])).astype(float))
    if metric == "mean_per_class_recall":
        return Contributions(("label", "top"), lambda table: class_mean_contributions(hits(table, 1), _labels(table)))
    return None


def changes(baseline: pa.Table, candidate: pa.Table, class_names: Sequence[str]) -> SampleChanges | None:
    """The samples that only one of the two runs answered correctly.

    A change counts more if the wrong answer was more confident.
    """
    if not all({"top", "label", "confidence"} <= set(table.column_names) for table in (baseline, candidate)):
        return None
    labels, before, after = _labels(baseline), _top(baseline)[:, 0], _top(candidate)[:, 0]
    gained, lost = (before != labels) & (after == labels), (before == labels) & (after != labels)
    gain = np.where(gained, numbers(baseline, "confidence").astype(float), 0.0)

    def name(label: int) -> str:
        return class_names[label] if 0 <= label < len(class_names) else f"class {label}"

    return SampleChanges(
        gain - np.where(lost, numbers(candidate, "confidence").astype(float), 0.0),
        lambda row: name(int(before[row])),
        lambda row: name(int(after[row])),
        lambda row: name(int(labels[row])),
    )


def _confidences(table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return numbers(table, "confidence").astype(np.float64), hits(table, 1)


def decisions(table: pa.Table) -> list[NDArray[np.int64]]:
    """The class with the highest score, and the rank of the true class among the kept classes.

    The order of two wrong classes with equal scores may differ between runs, so it is not compared. Baselines of older
    versions lack the scores of the kept classes. For them, the whole order is compared. In the setting base-to-new, the
    class with the highest score of the sample's own half is compared too.
    """
    closed = [numbers(table, "closed").astype(np.int64)] if "closed" in table.column_names else []
    return [*_decisions(table), *closed]


def _decisions(table: pa.Table) -> list[NDArray[np.int64]]:
    top = _top(table)
    if "top_scores" not in table.column_names:
        return [top]
    if "label" not in table.column_names:
        return [top[:, 0]]
    is_true = top == _labels(table)[:, None]
    return [top[:, 0], np.where(is_true.any(axis=1), is_true.argmax(axis=1), top.shape[1])]


PAIRING = Pairing(
    measured,
    columns=_COLUMNS,
    answers=_ANSWERS,
    scores=_SCORES,
    decisions=decisions,
    contributions=contributions,
    changes=changes,
    confidences=Confidences(("label", "top", "confidence"), _confidences),
    inspected=inspected,
)
