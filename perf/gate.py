"""Times the comparison of two detectors' AP on data as large as val2017, with 1,000 resamples of the images.

This is what the gate does for detection.

python perf/gate.py [--images 5000] [--resamples 1000] [--metric ap]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from time import perf_counter, process_time

import numpy as np
from coco_evaluation import CLASSES, made_up, plain_pycocotools

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.engines import coco_dataset, coco_results
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, ROWS, box_values
from vlmbench.metrics.difference import Difference
from vlmbench.metrics.paired_bootstrap import bootstrap_difference

MOVED = 0.1
"""The share of the second detector's boxes that are moved, by about a tenth of their size."""


def another(found: BoxPredictions, seed: int = 1) -> BoxPredictions:
    """Make a second detector from the first one. Some boxes are moved, and all scores are changed a little."""
    random = np.random.default_rng(seed)
    moved = random.random(len(found.score)) < MOVED
    shift = found.xywh[:, 2:] * random.normal(0, 0.1, (len(moved), 2)) * moved[:, None]
    xywh = np.concatenate([found.xywh[:, :2] + shift, found.xywh[:, 2:]], axis=1)
    return replace(found, xywh=xywh, score=(found.score + random.normal(0, 0.01, len(moved))).round(3))


def compare(
    truth: BoxTruth, first: BoxPredictions, second: BoxPredictions, metric: str, resamples: int
) -> tuple[Difference, float]:
    """The difference of the two detectors, and the seconds that matching took."""
    start = perf_counter()
    measure = {metric: COCO_MEASURES[metric]}
    matches = [match_boxes(truth, found) for found in (first, second)]
    matched = perf_counter() - start
    statistics = [partial(lambda own, weights: box_values(own, measure, weights)[:, 0], own) for own in matches]
    found = bootstrap_difference(
        *statistics,
        truth.images,
        differing=np.ones(truth.images, dtype=bool),
        resamples=resamples,
        rows=ROWS,
    )
    return found, matched


def main() -> None:
    """Time vlmbench's whole comparison and one evaluation by pycocotools; print what pycocotools would take for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--metric", choices=sorted(COCO_MEASURES), default="ap")
    asked = parser.parse_args()
    truth, first = made_up(asked.images)
    second = another(first)
    print(f"{asked.images:,} images, {len(truth.image):,} objects, 2 x {len(first.image):,} boxes, {CLASSES} classes")

    start, busy = perf_counter(), process_time()
    found, matched = compare(truth, first, second, asked.metric, asked.resamples)
    seconds, busy = perf_counter() - start, process_time() - busy
    low, high = found.ci95 or (float("nan"), float("nan"))
    print(f"{asked.metric}: {found.value:+.5f} [{low:+.5f}, {high:+.5f}], p = {found.p_value:.3g}")
    print(
        f"vlmbench: {seconds:.1f} s ({busy:.1f} s of processor) for {asked.resamples:,} resamples of both, "
        f"of which {matched:.1f} s are for matching boxes"
    )

    evaluate = plain_pycocotools(coco_dataset(truth), coco_results(first))
    start, busy = perf_counter(), process_time()
    peer = evaluate()[list(COCO_MEASURES).index(asked.metric)]
    once, busy = perf_counter() - start, process_time() - busy
    every = 2 * asked.resamples
    print(
        f"pycocotools: {once:.1f} s ({busy:.1f} s of processor) for one evaluation; {every:,} of them, one for each "
        f"resample of both, would take {every * busy / 3600:.1f} hours of processor (scaled, not run). "
        f"Its {asked.metric} differs from ours by {abs(peer - found.baseline):.1g}."
    )


if __name__ == "__main__":
    main()
