"""Measures how often 95 % intervals contain the true value, for every metric on simulated data with a known truth.

python perf/interval_cover.py [--sizes 50 500 5000] [--datasets 400 300 60] [--bca 100 40 0] [--only NAME ...]

It also runs SciPy's BCa bootstrap (999 resamples) on the first data sets of each size, for comparison. It prints a
Markdown table, which ``docs/intervals.md`` shows.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from interval_data import Detections, Galleries, Labels, Masks, Scores, Videos
from numpy.typing import NDArray
from scipy.stats import bootstrap

from vlmbench.metrics.base import Estimate
from vlmbench.metrics.classification import (
    calibration_error_statistic,
    expected_calibration_error,
    mean_per_class_recall,
    mean_per_class_recall_statistic,
    top_k_accuracy,
)
from vlmbench.metrics.detection.accuracy import mean_class_accuracy, mean_class_accuracy_statistic
from vlmbench.metrics.detection.measures import COCO_MEASURES, box_estimates, box_values
from vlmbench.metrics.intervals import WeightedStatistic, Weights
from vlmbench.metrics.ranking import (
    mean_average_precision,
    mean_average_precision_11_point,
    mean_average_precision_11_point_statistic,
    mean_average_precision_statistic,
    mean_roc_auc,
    mean_roc_auc_statistic,
)
from vlmbench.metrics.rare_actions import mean_weighted_average_precision, mean_weighted_average_precision_statistic
from vlmbench.metrics.retrieval import (
    mean_rank,
    mean_rank_statistic,
    mean_recall_at_k,
    mean_recall_at_k_statistic,
    median_rank,
    median_rank_statistic,
    recall_at_k,
    recall_at_k_statistic,
)
from vlmbench.metrics.segmentation import (
    mean_accuracy,
    mean_accuracy_statistic,
    mean_iou,
    mean_iou_statistic,
    pixel_accuracy,
    pixel_accuracy_statistic,
)


@dataclass(frozen=True)
class Drawn:
    """A metric of one simulated data set.

    Attributes:
        estimate: the metric, with its interval.
        truth: the true value, over the classes that this data set has.
        statistic: the metric as a function of the samples' weights.
        samples: the number of samples.
    """

    estimate: Estimate
    truth: float
    statistic: WeightedStatistic
    samples: int


Draw = Callable[[int, np.random.Generator], Drawn]


def accuracy(labels: Labels, n: int, random: np.random.Generator) -> Drawn:
    predicted, truth = labels.draw(n, random)
    right = (predicted == truth).astype(np.float64)
    return Drawn(
        top_k_accuracy(predicted[:, None], truth, 1),
        float(labels.shares @ labels.recalls),
        lambda weights: (weights @ right) / len(right),
        n,
    )


def class_recall(labels: Labels, n: int, random: np.random.Generator) -> Drawn:
    predicted, truth = labels.draw(n, random)
    statistic = mean_per_class_recall_statistic(predicted, truth)
    return Drawn(mean_per_class_recall(predicted, truth), float(labels.recalls[np.unique(truth)].mean()), statistic, n)


def calibration(n: int, random: np.random.Generator) -> Drawn:
    confidence, right = Labels.confidences(n, random)
    return Drawn(
        expected_calibration_error(confidence, right),
        Labels.calibration_error(),
        calibration_error_statistic(confidence, right),
        n,
    )


RANKED = {
    "mean_average_precision": (mean_average_precision, mean_average_precision_statistic),
    "map_11_point": (mean_average_precision_11_point, mean_average_precision_11_point_statistic),
    "roc_auc": (mean_roc_auc, mean_roc_auc_statistic),
}


def ranked(name: str, n: int, random: np.random.Generator) -> Drawn:
    scores, targets = SCORES.draw(n, random)
    metric, statistic = RANKED[name]
    return Drawn(
        metric(scores, targets),
        float(SCORES.truth(name)[targets.any(axis=0)].mean()),
        statistic(scores, targets),
        n,
    )


MASKED = {
    "miou": (mean_iou, mean_iou_statistic),
    "mean_accuracy": (mean_accuracy, mean_accuracy_statistic),
    "pixel_accuracy": (pixel_accuracy, pixel_accuracy_statistic),
}


def masked(name: str, n: int, random: np.random.Generator) -> Drawn:
    counts = MASKS.draw(n, random)
    metric, statistic = MASKED[name]
    return Drawn(metric(counts), MASKS.truth(name, counts), statistic(counts), n)


def boxes(name: str, n: int, random: np.random.Generator) -> Drawn:
    matches = DETECTIONS.draw(n, random)
    chosen = {name: COCO_MEASURES[name]}

    def statistic(weights: Weights) -> NDArray[np.float64]:
        return np.asarray(box_values(matches, chosen, weights)[:, 0])

    area = COCO_MEASURES[name].area
    present = [label for label, own in matches.by_area[area].items() if len(own.positives)]
    truth = float(DETECTIONS.truth(name)[present].mean()) if present else math.nan
    return Drawn(box_estimates(matches, chosen)[name], truth, statistic, n)


def named_boxes(n: int, random: np.random.Generator) -> Drawn:
    hits, labels, image = DETECTIONS.named(n, random)
    truth = float(DETECTIONS.recalls[np.unique(labels)].mean())
    statistic = mean_class_accuracy_statistic(hits, labels, image, n)
    return Drawn(mean_class_accuracy(hits, labels, image, n), truth, statistic, n)


def actions(n: int, random: np.random.Generator) -> Drawn:
    scores, found = VIDEOS.draw(n, random)
    truth = float(VIDEOS.truth()[[rows.action for rows in found]].mean())
    statistic = mean_weighted_average_precision_statistic(scores, found)
    videos = len(np.unique(np.concatenate([rows.videos for rows in found])))
    return Drawn(mean_weighted_average_precision(scores, found), truth, statistic, videos)


def retrieved(name: str, n: int, random: np.random.Generator) -> Drawn:
    images, captions, owner = GALLERIES.draw(n, random)
    truth, own = GALLERIES.truth(name, n), np.arange(n)
    if name == "mean_recall@1":
        estimate = mean_recall_at_k(images, captions, owner, 1)
        statistic = mean_recall_at_k_statistic(images, captions, owner, 1)
    else:
        ranks, groups = (images, own) if name.startswith("image") else (captions, owner)
        kind = name.partition("_to_")[2].partition("_")[2]
        if kind == "mean_rank":
            estimate, statistic = mean_rank(ranks, groups), mean_rank_statistic(ranks, groups)
        elif kind == "median_rank":
            estimate, statistic = median_rank(ranks, groups), median_rank_statistic(ranks, groups)
        else:
            k = int(kind.removeprefix("recall@"))
            estimate, statistic = recall_at_k(ranks, groups, k), recall_at_k_statistic(ranks, groups, k)
    return Drawn(estimate, truth, statistic, n)


TEN, HUNDRED, SURE = Labels(10, 6, 2), Labels(100, 6, 2), Labels(10, 60, 2)
SCORES, MASKS, DETECTIONS, VIDEOS, GALLERIES = Scores(), Masks(), Detections(), Videos(), Galleries()
CASES: dict[str, Draw] = {
    "acc1": partial(accuracy, TEN),
    "acc1 near 97 %": partial(accuracy, SURE),
    "mean_per_class_recall, 10 classes": partial(class_recall, TEN),
    "mean_per_class_recall, 100 classes": partial(class_recall, HUNDRED),
    "mean_per_class_recall near 97 %": partial(class_recall, SURE),
    "ece": calibration,
    **{name: partial(ranked, name) for name in RANKED},
    **{
        name: partial(retrieved, name)
        for name in (
            "image_to_text_recall@1",
            "text_to_image_recall@1",
            "text_to_image_recall@10",
            "mean_recall@1",
            "image_to_text_mean_rank",
            "text_to_image_mean_rank",
            "image_to_text_median_rank",
            "text_to_image_median_rank",
        )
    },
    **{name: partial(masked, name) for name in MASKED},
    **{name: partial(boxes, name) for name in ("ap", "ap50", "ap_small", "ar100")},
    "mean_class_accuracy_top1": named_boxes,
    "mwap": actions,
}


def bca(drawn: Drawn) -> tuple[float, float]:
    """SciPy's interval. SciPy resamples the indices of the samples."""

    def of_places(places: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        rows = np.moveaxis(places, axis, -1).reshape(-1, places.shape[axis])
        weights = np.stack([np.bincount(row, minlength=drawn.samples) for row in rows]).astype(np.int32)
        return drawn.statistic(weights).reshape(np.moveaxis(places, axis, -1).shape[:-1])

    found = bootstrap(
        (np.arange(drawn.samples),), of_places, n_resamples=999, batch=200, method="BCa", random_state=0
    ).confidence_interval
    return float(found.low), float(found.high)


def cover(name: str, n: int, datasets: int, oracle: int) -> str:
    """Measure one metric at one size, and return a line of the table."""
    began = time.perf_counter()
    held, below, widths, of_bca = 0, 0, [], []
    for number in range(datasets):
        drawn = CASES[name](n, np.random.default_rng([n, number]))
        low, high = drawn.estimate.low, drawn.estimate.high
        if low is not None and high is not None:
            assert low <= drawn.estimate.value <= high and low < high, (name, n, number, drawn.estimate)
            held += low <= drawn.truth <= high
            below += high < drawn.truth
            widths.append(high - low)
        if number < oracle:
            ends = bca(drawn)
            of_bca.append(ends[0] <= drawn.truth <= ends[1])
    printed = len(widths)
    cells = [name, f"{n:,}", f"{printed / datasets:.0%}"]
    if printed >= max(10, datasets // 10):
        share = held / printed
        error = math.sqrt(max(share * (1 - share), 0.02) / printed)
        cells += [f"{share:.1%} ± {error:.1%}", f"{below / printed:.1%}", f"{np.mean(widths):.3g}"]
    else:
        cells += ["–", "–", "–"]
    cells.append(f"{np.mean(of_bca):.0%}" if of_bca else "")
    return f"| {' | '.join(cells)} |  <!-- {time.perf_counter() - began:.0f} s -->"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")  # SciPy warns if all draws are equal
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 500, 5000])
    parser.add_argument("--datasets", type=int, nargs="+", default=[400, 300, 60])
    parser.add_argument("--bca", type=int, nargs="+", default=[100, 40, 0])
    parser.add_argument("--only", nargs="+", default=[])
    asked = parser.parse_args(arguments)
    print("| metric | n | printed | contains the truth | lies below it | width | BCa contains it |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in asked.only or CASES:
        for n, datasets, oracle in zip(asked.sizes, asked.datasets, asked.bca, strict=True):
            print(cover(name, n, datasets, oracle), flush=True)


if __name__ == "__main__":
    main()
