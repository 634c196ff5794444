"""Computes metrics of semantic segmentation: intersections and unions are summed over the dataset, then divided.

The segmentation task uses it. The field computes mean IoU from one confusion matrix over all pixels of all images. The
mean of the images' own mean IoUs is a different number: there a class counts once for each image that shows it, and a
small object counts as much as a large one.

Three counts for each class and image are kept, so memory does not grow with pixels: 5,000 images and 171 classes take
20 MB. Intervals are over images, because the pixels of one image are not independent. They are for the value on
unlimited images of the same kind, over the classes that are defined in these images.

Source: M. Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015, section 4.1.2
(VOC devkit VOCevalseg.m); open-mmlab/mmsegmentation mmseg/evaluation/metrics/iou_metric.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.inputs import IntArray
from vlmbench.metrics.intervals import WeightedStatistic, WeightedStatistics, Weights
from vlmbench.metrics.jackknife import jackknife_estimate

Counts = NDArray[np.int64]
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class PixelCounts:
    """Counts of the scored pixels of N images in C classes. Ignored pixels are in no count.

    Attributes:
        intersection: (N, C) pixels of the class that were predicted as this class.
        predicted: (N, C) pixels that were predicted as the class.
        truth: (N, C) pixels of the class.
    """

    intersection: Counts
    predicted: Counts
    truth: Counts

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.truth.shape[1])


@dataclass(frozen=True)
class SegmentationRow:
    """One class over the dataset. Values are fractions in [0, 1].

    Attributes:
        index: the class.
        images: the number of images whose truth has the class.
        iou: intersection over union; None if neither truth nor prediction has the class.
        accuracy: the share of the class's pixels that were predicted as it; None if it has no pixel.
        precision: the share of its predicted pixels that are true; None if it was never predicted.
    """

    index: int
    images: int
    iou: float | None
    accuracy: float | None
    precision: float | None


def pixel_counts(predicted: IntArray, truth: IntArray, num_classes: int, *, ignore_label: int) -> PixelCounts:
    """The counts of one image.

    Args:
        predicted: (H, W) classes. Values at ignored pixels do not matter.
        truth: (H, W) classes, or ``ignore_label`` for pixels that are not scored.
        num_classes: C.
        ignore_label: a value outside [0, C).

    Returns:
        Counts with N = 1.

    Raises:
        ValueError: shapes that differ, or a scored pixel outside [0, C).

    >>> counts = pixel_counts(np.array([[0, 1, 1]]), np.array([[0, 0, 255]]), 2, ignore_label=255)
    >>> counts.intersection.tolist(), counts.predicted.tolist(), counts.truth.tolist()
    ([[1, 0]], [[1, 1]], [[2, 0]])
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted has shape {predicted.shape}, truth {truth.shape}")
    scored = truth != ignore_label
    answers, classes = predicted[scored], truth[scored]
    for name, values in (("predicted", answers), ("truth", classes)):
        outside = (values < 0) | (values >= num_classes)
        if outside.any():
            raise ValueError(f"{name} has class {values[outside][0]}; class indices must be in [0, {num_classes})")

    def count(values: NDArray[Any]) -> Counts:
        return np.bincount(values, minlength=num_classes).astype(np.int64)[None]

    return PixelCounts(count(classes[answers == classes]), count(answers), count(classes))


def joined(parts: Sequence[PixelCounts]) -> PixelCounts:
    """The counts of several images, in order.

    Raises:
        ValueError: the list is empty.
    """
    return PixelCounts(
        np.concatenate([part.intersection for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.truth for part in parts]),
    )


def mean_iou(counts: PixelCounts, *, seed: int = 0, interval: bool = True) -> Estimate:
    """The mean over classes of the intersection over union over the whole dataset, with a jackknife over images.

    A class with a union of 0 (in no scored pixel of truth or prediction) does not count, as in mmseg's nanmean. A class
    that was predicted but is in no truth counts as 0, as in mmseg. The same holds when images are left out. The value
    is undefined if no pixel is scored.
    """
    return _estimate(mean_iou_statistic(counts), counts, seed, interval)


def mean_iou_statistic(counts: PixelCounts) -> WeightedStatistic:
    """`mean_iou` for any weights of the images."""
    return _over_images(counts, _mean_iou)


def pixel_accuracy(counts: PixelCounts, *, seed: int = 0, interval: bool = True) -> Estimate:
    """The share of scored pixels whose class was predicted (mmseg's aAcc), with a jackknife over images."""
    return _estimate(pixel_accuracy_statistic(counts), counts, seed, interval)


def pixel_accuracy_statistic(counts: PixelCounts) -> WeightedStatistic:
    """`pixel_accuracy` for any weights of the images."""
    return _over_images(counts, _pixel_accuracy)


def mean_accuracy(counts: PixelCounts, *, seed: int = 0, interval: bool = True) -> Estimate:
    """The share of each class's pixels that were predicted as it, averaged over classes with pixels (mmseg's mAcc). The
    interval is a jackknife over images."""
    return _estimate(mean_accuracy_statistic(counts), counts, seed, interval)


def mean_accuracy_statistic(counts: PixelCounts) -> WeightedStatistic:
    """`mean_accuracy` for any weights of the images."""
    return _over_images(counts, _mean_accuracy)


def class_iou_statistics(counts: PixelCounts) -> WeightedStatistics:
    """Each class's IoU for any weights of the images: (B, C), nan for a class with a union of 0."""
    return _over_images(counts, _class_ious)


def image_mean_ious(counts: PixelCounts) -> NDArray[np.float64]:
    """(N,): each image's own mean IoU over the classes in its truth or prediction; nan if none of its pixels is scored.

    It serves to look at single images. The mean of these values is not the dataset's mean IoU.
    """
    return _mean_iou(*_floats(counts))


def image_pixel_accuracies(counts: PixelCounts) -> NDArray[np.float64]:
    """(N,): each image's own pixel accuracy; nan if none of its pixels is scored."""
    return _pixel_accuracy(*_floats(counts))


def segmentation_rows(counts: PixelCounts) -> list[SegmentationRow]:
    """Each class's IoU, accuracy and precision over the dataset.

    Returns:
        One row for each class, in the order of the classes.
    """
    intersection, predicted, truth = (
        each.sum(axis=0) for each in (counts.intersection, counts.predicted, counts.truth)
    )
    union = predicted + truth - intersection

    def share(index: int, whole: Counts) -> float | None:
        return float(intersection[index] / whole[index]) if whole[index] else None

    return [
        SegmentationRow(
            index=index,
            images=int((counts.truth[:, index] > 0).sum()),
            iou=share(index, union),
            accuracy=share(index, truth),
            precision=share(index, predicted),
        )
        for index in range(counts.num_classes)
    ]


def random_mean_iou(counts: PixelCounts) -> float | None:
    """The mean IoU if every pixel gets a random class, all equally likely: the ratio of the expected counts.

    A class with t of all P scored pixels has an expected intersection of t / C and an expected union of t + (P - t) /
    C. The expectation of the ratio differs from the ratio of expectations by terms of order 1 / P. None if no pixel is
    scored.
    """
    truth = counts.truth.sum(axis=0).astype(np.float64)
    pixels = truth.sum()
    if not pixels:
        return None
    return float((truth / (counts.num_classes * truth + pixels - truth)).mean())


def _estimate(statistic: WeightedStatistic, counts: PixelCounts, seed: int, interval: bool) -> Estimate:
    return jackknife_estimate(
        statistic,
        len(counts),
        undefined="no pixel is scored, because the masks ignore all pixels",
        units="images",
        seed=seed,
        interval=interval,
    )


def _over_images(counts: PixelCounts, measure: Callable[[Sums, Sums, Sums], NDArray[np.float64]]) -> WeightedStatistics:
    whole = _floats(counts)

    def statistic(weights: Weights) -> NDArray[np.float64]:
        drawn = weights.astype(np.float64)  # sums of pixels are far below 2**53, so they stay exact
        intersection, predicted, truth = (drawn @ each for each in whole)
        return measure(intersection, predicted, truth)

    return statistic


def _floats(counts: PixelCounts) -> tuple[Sums, Sums, Sums]:
    return counts.intersection.astype(np.float64), counts.predicted.astype(np.float64), counts.truth.astype(np.float64)


def _mean_iou(intersection: Sums, predicted: Sums, truth: Sums) -> NDArray[np.float64]:
    """(B, C) sums each to (B,)."""
    return _mean_of_defined(intersection, predicted + truth - intersection)


def _class_ious(intersection: Sums, predicted: Sums, truth: Sums) -> NDArray[np.float64]:
    """(B, C) sums each to (B, C)."""
    return _ratio(intersection, predicted + truth - intersection)


def _mean_accuracy(intersection: Sums, predicted: Sums, truth: Sums) -> NDArray[np.float64]:
    return _mean_of_defined(intersection, truth)


def _pixel_accuracy(intersection: Sums, predicted: Sums, truth: Sums) -> NDArray[np.float64]:
    return _ratio(intersection.sum(axis=1), truth.sum(axis=1))


def _mean_of_defined(part: Sums, whole: Sums) -> NDArray[np.float64]:
    """The mean over the classes whose whole is not 0; nan if there is no such class."""
    defined = whole > 0
    shares = np.where(defined, part / np.where(defined, whole, 1), 0)
    return _ratio(shares.sum(axis=1), defined.sum(axis=1))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
