"""Times COCO's twelve numbers on data as large as val2017: pycocotools, vlmbench, and other engines if installed.

python perf/coco_evaluation.py [--images 5000] [--repetitions 3]
"""

from __future__ import annotations

import argparse
import contextlib
import io
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from side_by_side import Way, show, take_turns

from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.engines import ENGINES, coco_dataset, coco_results, engine_values
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, box_estimates, box_values

CLASSES, CLASSES_PER_IMAGE, OBJECTS_PER_IMAGE, PER_IMAGE = 80, 3, 7.2, 100
"""As in val2017, which has 80 classes, and on average 2.9 classes and 7.3 objects in an image. Detectors give the 100
best boxes of each image."""
CROWD = 0.012
"""The share of crowds among val2017's objects: 446 of 36,781."""


def made_up(images: int, seed: int = 0) -> tuple[BoxTruth, BoxPredictions]:
    """Make objects with the sizes of COCO's, and a detector's boxes.

    Half of the boxes are near an object, and most of these have the object's class. The other half are elsewhere.
    Scores have three digits, as in many files of results. Many of them are therefore equal.
    """
    random = np.random.default_rng(seed)
    counts = np.maximum(random.geometric(1 / OBJECTS_PER_IMAGE, images), 1)
    image = np.repeat(np.arange(images), counts)
    objects = len(image)
    present = random.integers(0, CLASSES, (images, CLASSES_PER_IMAGE))
    label = present[image, random.integers(0, CLASSES_PER_IMAGE, objects)]
    side = np.exp(random.normal(np.log(60), 1.0, (objects, 2))).clip(4, 500)
    xywh = np.concatenate([random.uniform(0, 1, (objects, 2)) * (640 - side.clip(max=600)), side], axis=1).round(2)
    area = xywh[:, 2] * xywh[:, 3] * random.uniform(0.4, 0.9, objects)
    truth = BoxTruth(images, CLASSES, image, label, xywh, area, random.random(objects) < CROWD)

    place = np.repeat(np.arange(images), PER_IMAGE)
    first = np.cumsum(counts) - counts
    own = first[place] + (random.random(len(place)) * counts[place]).astype(np.int64)
    near = random.random(len(place)) < 0.5
    noise = random.normal(0, 0.12, (len(place), 4)) * np.tile(xywh[own][:, 2:], 2)
    boxes = xywh[own] + noise
    elsewhere = random.permutation(len(place))
    boxes[~near] = xywh[own][elsewhere][~near]
    boxes[:, 2:] = boxes[:, 2:].clip(1)
    same = random.random(len(place)) < np.where(near, 0.8, 0.4)
    score = np.where(near & same, random.beta(2, 3, len(place)), random.beta(1, 8, len(place))).round(3)
    found = BoxPredictions(
        place, np.where(same, label[own], random.integers(0, CLASSES, len(place))), boxes.round(2), score
    )
    return truth, found


def plain_pycocotools(dataset: dict[str, Any], results: list[dict[str, Any]]) -> Callable[[], list[float]]:
    """pycocotools' three steps. Its index of both files is made before, and is not timed."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = dataset
        ground.createIndex()
        loaded = ground.loadRes(results)

    def run() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(ground, loaded, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return [float(value) for value in evaluation.stats]

    return run


def ours(truth: BoxTruth, found: BoxPredictions) -> list[float]:
    """The twelve numbers by vlmbench, without intervals."""
    values = box_values(match_boxes(truth, found), COCO_MEASURES, np.ones((1, truth.images), dtype=np.int32))[0]
    return [float(value) for value in values]


def ours_with_intervals(truth: BoxTruth, found: BoxPredictions) -> list[float]:
    """The twelve numbers by vlmbench, each with the interval that a record has."""
    return [estimate.value for estimate in box_estimates(match_boxes(truth, found), COCO_MEASURES).values()]


def main() -> None:
    """Time all ways in turn, and compare the twelve numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    truth, found = made_up(asked.images)
    ways = [
        Way("pycocotools", plain_pycocotools(coco_dataset(truth), coco_results(found))),
        Way("vlmbench", partial(ours, truth, found)),
        Way("vlmbench, with intervals", partial(ours_with_intervals, truth, found)),
    ]
    for name, (module, _, _) in ENGINES.items():
        if find_spec(module) is not None:
            ways.append(Way(name, lambda name=name: list(engine_values(name, truth, found).values())))
    timings = take_turns(ways, asked.repetitions)
    peer = np.array(timings[0].result)
    show(
        f"COCO evaluation: {asked.images:,} images, {len(truth.image):,} objects, {len(found.image):,} boxes, "
        f"{CLASSES} classes",
        timings,
        differences=[f"{np.abs(np.array(timing.result) - peer).max():.1g}" for timing in timings],
        notes=[
            "AP " + f"{peer[0]:.4f}, AP50 {peer[1]:.4f}, AR100 {peer[8]:.4f}",
            "the times of the other engines include the index of both files; that of pycocotools does not",
        ],
    )


if __name__ == "__main__":
    main()
