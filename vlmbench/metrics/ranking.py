"""Computes how well scores rank samples: average precision (two kinds) and the area under the ROC curve.

The classification task uses it: with several labels an image, and for the AUC. One class has (N,) scores, higher for
more positive, and (N,) booleans: whether a sample shows the class. C classes have (N, C) of each. Values are fractions
in [0, 1], and nan if no sample is positive. A ValueError names what is wrong: no samples, shapes that differ, or a NaN
score.

Equal scores always form one threshold. An interval is for the value on unlimited samples of the same kind, over the
classes that are defined in these samples. It takes 250 passes over all classes and samples: a quarter of a second for
20 classes and 5,000 samples, a minute or two for 1,000 classes and 50,000 samples. Besides the scores it keeps one
index for each score.
"""

from __future__ import annotations

import numpy as np

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.inputs import (
    BoolArray,
    FloatArray,
    IntArray,
    class_indices,
    flags,
    real_scores,
    same_length,
)
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics
from vlmbench.metrics.jackknife import jackknife_estimate
from vlmbench.metrics.thresholds import (
    Ranking,
    RankingStatistic,
    area_under_roc,
    by_class,
    eleven_point,
    macro,
    precision_at_positives,
    rank,
)

NO_POSITIVE = "no sample is positive for any class"
ONE_KIND = "no class has both positive and negative samples"


def average_precision_11_point(scores: FloatArray, positive: BoolArray) -> float:
    """PASCAL VOC 2007's average precision: the best precision at recall t or more, averaged over t = 0, 0.1, ..., 1.

    Recalls are compared as integers, so that 3/10 reaches t = 0.3 in spite of rounding.

    Source: M. Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 88 (2010),
    equations 1 and 2; VOC2007 devkit `VOCcode/VOCevalcls.m`, which orders equal scores by its sort.

    >>> round(average_precision_11_point(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), 4)
    0.8485
    """
    return _of_one_class(eleven_point, scores, positive)


def average_precision(scores: FloatArray, positive: BoolArray) -> float:
    """The precision at each positive, averaged over the positives: the area under the curve, without interpolation.

    Equals `sklearn.metrics.average_precision_score`. If all scores differ, it equals LAION-AI/CLIP_benchmark
    `clip_benchmark/metrics/zeroshot_classification.py` too, which leaves the order of equal scores to its sort.

    >>> round(average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])), 4)
    0.8333
    """
    return _of_one_class(precision_at_positives, scores, positive)


def roc_auc(scores: FloatArray, positive: BoolArray) -> float:
    """The probability that a positive scores higher than a negative, with ties as one half: the area under the ROC
    curve.

    It is also nan if all samples are positive.

    Equals `sklearn.metrics.roc_auc_score`. Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982).

    >>> roc_auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    0.875
    """
    return _of_one_class(area_under_roc, scores, positive)


def mean_average_precision_11_point(
    scores: FloatArray, targets: BoolArray, *, seed: int = 0, interval: bool = True
) -> Estimate:
    """`average_precision_11_point` averaged over the classes with a positive, with a jackknife interval over samples.

    A class without a positive has no recall and does not count. The same holds in the jackknife, when all of its
    positives are left out.
    """
    statistic = mean_average_precision_11_point_statistic(scores, targets)
    return _estimate(statistic, len(scores), NO_POSITIVE, seed, interval)


def mean_average_precision_11_point_statistic(scores: FloatArray, targets: BoolArray) -> WeightedStatistic:
    """`mean_average_precision_11_point` for any weights of the samples."""
    return macro(eleven_point, _multilabel(scores, targets))


def mean_average_precision(scores: FloatArray, targets: BoolArray, *, seed: int = 0, interval: bool = True) -> Estimate:
    """`average_precision` averaged over the classes with a positive, with a jackknife interval over samples.

    A class without a positive has no recall and does not count. The same holds in the jackknife, when all of its
    positives are left out. (CLIP_benchmark counts such a class as 0.)
    """
    statistic = mean_average_precision_statistic(scores, targets)
    return _estimate(statistic, len(scores), NO_POSITIVE, seed, interval)


def mean_average_precision_statistic(scores: FloatArray, targets: BoolArray) -> WeightedStatistic:
    """`mean_average_precision` for any weights of the samples."""
    return macro(precision_at_positives, _multilabel(scores, targets))


def class_average_precision_statistics(scores: FloatArray, targets: BoolArray) -> WeightedStatistics:
    """Each class's `average_precision` for any weights of the samples: (B, C), nan without a positive."""
    return by_class(precision_at_positives, _multilabel(scores, targets))


def mean_roc_auc(scores: FloatArray, truth: IntArray | BoolArray, *, seed: int = 0, interval: bool = True) -> Estimate:
    """`roc_auc` averaged over the classes with both positives and negatives, with a jackknife interval over samples.

    The ranked scores depend on the task:

    - `truth` (N,), two classes: one AUC, of class 1, by `scores[:, 1] - scores[:, 0]`. Softmax keeps the
      order of this difference at any temperature, so it is the AUC of the probability. No single column has that
      property.
    - `truth` (N,), more classes: each class against the rest, by its own column unchanged. Probabilities give
      `sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")`; raw cosines rank samples differently.
    - `truth` (N, C): multi-label. Each column of targets is ranked by its own column of scores.

    Args:
        scores: (N, C).
        truth: (N,) class indices, or (N, C) booleans.

    Returns:
        nan without an interval if no class has both positives and negatives.

    Raises:
        ValueError: no samples, shapes that differ, a NaN score, a label outside [0, C), or labels with C = 1.
    """
    statistic = mean_roc_auc_statistic(scores, truth)
    return _estimate(statistic, len(scores), ONE_KIND, seed, interval)


def mean_roc_auc_statistic(scores: FloatArray, truth: IntArray | BoolArray) -> WeightedStatistic:
    """`mean_roc_auc` for any weights of the samples."""
    if np.ndim(truth) == 2:
        return macro(area_under_roc, _multilabel(scores, np.asarray(truth)))
    columns = real_scores(scores, "scores", ndim=2)
    num_classes = columns.shape[1]
    labels = class_indices(np.asarray(truth), "labels", num_classes=num_classes)
    same_length(scores=columns, labels=labels)
    if num_classes == 1:
        raise ValueError("labels need scores of at least two classes, got one column")
    if num_classes == 2:
        margin = real_scores(columns[:, 1] - columns[:, 0], "scores[:, 1] - scores[:, 0]")
        rankings = [rank(margin, labels == 1)]
    else:
        rankings = [rank(columns[:, index], labels == index) for index in range(num_classes)]
    return macro(area_under_roc, rankings)


def _estimate(statistic: WeightedStatistic, n: int, undefined: str, seed: int, interval: bool) -> Estimate:
    return jackknife_estimate(statistic, n, undefined=undefined, seed=seed, interval=interval)


def _of_one_class(statistic: RankingStatistic, scores: FloatArray, positive: BoolArray) -> float:
    column = real_scores(scores, "scores")
    mask = flags(positive, "positive")
    n = same_length(scores=column, positive=mask)
    return float(statistic(rank(column, mask), np.ones((1, n), dtype=np.int32))[0])


def _multilabel(scores: FloatArray, targets: BoolArray) -> list[Ranking]:
    columns = real_scores(scores, "scores", ndim=2)
    masks = flags(targets, "targets", ndim=2)
    if columns.shape != masks.shape:
        raise ValueError(f"shapes differ: scores {columns.shape}, targets {masks.shape}")
    return [rank(column, mask) for column, mask in zip(columns.T, masks.T, strict=True)]
