"""Computes the accuracy of classifying given boxes, averaged over classes. The detection task uses it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.detection.boxes import Floats, Ints
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics, Weights
from vlmbench.metrics.jackknife import jackknife_estimate
from vlmbench.metrics.strata import mean_of_proportions


def mean_class_accuracy(
    hits: NDArray[np.bool_], labels: Ints, image: Ints, images: int, *, seed: int = 0, interval: bool = True
) -> Estimate:
    """The share of each class's boxes that are classified rightly, averaged over the classes that have boxes.

    Source: wusize/CLIPSelf src/training/zero_shot.py. The interval is for the value on unlimited images of the same
    kind, over the classes that have boxes in these images. The jackknife leaves out images, not boxes, because the
    boxes of one image are not independent.

    Args:
        hits: (N,) whether the class of each box was among its answers.
        labels: (N,) the class of each box.
        image: (N,) the image of each box, in [0, images).
        images: the number of images.

    Raises:
        ValueError: lengths differ.

    >>> hits, labels = np.array([True, True, False, True]), np.array([0, 0, 0, 1])
    >>> round(mean_class_accuracy(hits, labels, np.array([0, 0, 1, 1]), 2, interval=False).value, 4)
    0.8333
    """
    statistic = mean_class_accuracy_statistic(hits, labels, image, images)
    found = jackknife_estimate(
        statistic, images, undefined="no box has a class", units="images", seed=seed, interval=interval
    )
    if found.value not in (0.0, 1.0) or not interval:
        return found
    # All answers are right, or all are wrong: each image of a class counts as one trial.
    shown = np.unique(np.stack([labels, image]), axis=1)[0]
    trials = np.unique(shown, return_counts=True)[1]
    low, high = mean_of_proportions(trials * int(found.value), trials)
    return replace(found, low=low, high=high, reason="")


def mean_class_accuracy_statistic(hits: NDArray[np.bool_], labels: Ints, image: Ints, images: int) -> WeightedStatistic:
    """`mean_class_accuracy` for any weights of the images.

    Raises:
        ValueError: lengths differ.
    """
    classes, dense = np.unique(labels, return_inverse=True)
    boxes, right = _by_image(hits, dense, image, images, len(classes))

    def accuracy(weights: Weights) -> Floats:
        drawn, named = weights @ boxes, weights @ right
        with np.errstate(invalid="ignore"):
            result: Floats = (named / np.maximum(drawn, 1)).sum(axis=1) / (drawn > 0).sum(axis=1)
        return result

    return accuracy


def class_accuracy_statistics(
    hits: NDArray[np.bool_], labels: Ints, image: Ints, images: int, classes: int
) -> WeightedStatistics:
    """The share of each class's boxes that are classified rightly, for any weights of the images.

    Returns (B, C) values; nan for a class without boxes.
    """
    boxes, right = _by_image(hits, labels, image, images, classes)

    def accuracies(weights: Weights) -> Floats:
        drawn, named = weights @ boxes, weights @ right
        shares: Floats = np.divide(named, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
        return shares

    return accuracies


def _by_image(hits: NDArray[np.bool_], labels: Ints, image: Ints, images: int, classes: int) -> tuple[Floats, Floats]:
    """(I, C) each: the boxes of every class in every image, and those that are classified rightly."""
    if not len(hits) == len(labels) == len(image):
        raise ValueError(f"lengths differ: hits {len(hits)}, labels {len(labels)}, image {len(image)}")
    boxes, right = np.zeros((images, classes)), np.zeros((images, classes))
    np.add.at(boxes, (image, labels), 1)
    np.add.at(right, (image, labels), hits)
    return boxes, right
