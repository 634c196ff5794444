"""The metrics that a detection card can name, and how they are computed. The detection plugin uses it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlmbench.data.base import ImageDataset
from vlmbench.errors import CardError, UnknownNameError, UsageError
from vlmbench.metrics.base import Estimate
from vlmbench.metrics.detection.accuracy import mean_class_accuracy
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth
from vlmbench.metrics.detection.chance import chance_by_shuffling
from vlmbench.metrics.detection.engines import ENGINES, engine_values
from vlmbench.metrics.detection.matching import Matches, match_boxes
from vlmbench.metrics.detection.measures import (
    COCO_MEASURES,
    FREQUENCIES,
    LVIS_MEASURES,
    OF_MASKS,
    BoxMeasure,
    box_estimates,
    undefined,
)
from vlmbench.metrics.detection.precision import average_precisions
from vlmbench.records import ClassResult, MetricValue
from vlmbench.registry import did_you_mean
from vlmbench.tasks.base import metric_value, reasons
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.results import Answered

ACCURACIES = {"mean_class_accuracy_top1": 1, "mean_class_accuracy_top5": 5}
"""The names of the top-k accuracies on the data's own boxes, as CLIPSelf reports them, each with its k."""
_GROUP_MEASURES = {"ap": COCO_MEASURES["ap"], "ap50": COCO_MEASURES["ap50"]}


@dataclass(frozen=True)
class Measured:
    """The metrics and the class table of a record."""

    metrics: dict[str, MetricValue]
    per_class: list[ClassResult]


def box_measures(protocol: DetectionProtocol, groups: Mapping[str, frozenset[int]]) -> dict[str, BoxMeasure]:
    """The measures that a protocol offers: those of its evaluator and those of its groups of classes.

    Each is offered for masks, too, under its name with :data:`~vlmbench.metrics.detection.measures.OF_MASKS` before it.
    """
    own = LVIS_MEASURES if protocol.evaluator == "lvis" else COCO_MEASURES
    by_group = {
        f"{name}_{group}": replace(measure, classes=classes)
        for group, classes in groups.items()
        for name, measure in _GROUP_MEASURES.items()
    }
    return {**own, **by_group}


def check_metrics(names: Sequence[str], protocol: DetectionProtocol, *, where: str) -> None:
    """Refuse metrics that do not exist or that the protocol does not offer.

    Raises:
        UnknownNameError: there is no such metric with this evaluator and these groups.
        CardError: a group has the name of an object size, or the evaluator does not support groups of classes.
        UsageError: an accuracy is requested, but the boxes are not the data's own; or a metric of masks is requested,
            but the model does not find the objects itself.
    """
    groups = dict.fromkeys(FREQUENCIES if protocol.evaluator == "lvis" else protocol.groups, frozenset[int]())
    if clash := sorted(set(groups) & {"small", "medium", "large"}):
        raise CardError(f"{where}: a group cannot be named {clash[0]!r}, because this is the name of an object size")
    boxes = box_measures(protocol, groups)
    known = {*boxes, *(f"{OF_MASKS}{name}" for name in boxes), *ACCURACIES}
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"{where}: unknown metric {name!r} with evaluator {protocol.evaluator!r}",
                hint=did_you_mean(name, known),
            )
        if name.startswith(OF_MASKS) and protocol.regions != "native":
            raise UsageError(
                f"{where}: {name} compares the masks that a model finds, but regions is {protocol.regions!r}",
                hint="Write `regions: native` in the card's `protocol`.",
            )
        if name in ACCURACIES and protocol.regions != "ground-truth":
            raise UsageError(
                f"{where}: {name} is the accuracy on the data's own boxes, but regions is {protocol.regions!r}",
                hint="Choose a card with `regions: ground-truth`, or write one.",
            )
        if protocol.evaluator in ENGINES and name.removeprefix(OF_MASKS) not in {**COCO_MEASURES, **ACCURACIES}:
            raise CardError(f"{where}: evaluator {protocol.evaluator!r} does not support groups of classes ({name})")


def measure(
    answered: Answered,
    dataset: ImageDataset,
    names: Sequence[str],
    class_names: Sequence[str],
    protocol: DetectionProtocol,
    groups: Mapping[str, frozenset[int]],
    seed: int,
) -> Measured:
    """Compute the named metrics and, if the evaluator allows it, the results of each class.

    Args:
        groups: for each group of classes, its name and its labels.
        seed: of the intervals and of the chance level.
    """
    truth, found = answered.truth(dataset), answered.found()
    federation = answered.federation() if protocol.evaluator == "lvis" else None
    every = box_measures(protocol, groups)
    estimates: dict[str, Estimate] = {}
    matched: dict[str, Matches] = {}
    for prefix in ("", OF_MASKS) if answered.true_masks is not None else ("",):
        masks = prefix == OF_MASKS
        own_truth, own = (answered.truth(dataset, masks=True), answered.found(masks=True)) if masks else (truth, found)
        if protocol.evaluator in ENGINES:
            own_estimates = _of_engine(protocol.evaluator, own_truth, own)
        else:
            matched[prefix] = match_boxes(own_truth, own, federation)
            wanted = {name: measure for name, measure in every.items() if f"{prefix}{name}" in names}
            own_estimates = box_estimates(matched[prefix], wanted, seed=seed)
        estimates |= {f"{prefix}{name}": estimate for name, estimate in own_estimates.items()}
    named = _naming(answered) if protocol.regions == "ground-truth" else None
    chance: Mapping[str, float] = {}
    if named is not None and protocol.evaluator == "pycocotools":
        chance = chance_by_shuffling(truth, found, {name: every[name] for name in names if name in every}, seed=seed)
    metrics = {}
    for name in names:
        if name not in ACCURACIES:
            level = chance.get(name, math.nan)
            metrics[name] = metric_value(
                _explained(estimates[name], truth), chance=None if math.isnan(level) else level
            )
        elif named is not None:
            metrics[name] = _accuracy(named, ACCURACIES[name], answered, seed)
    per_class = _class_results(matched, truth, named, class_names) if matched else []
    return Measured(metrics, per_class)


@dataclass(frozen=True)
class _Naming:
    """The answers to the data's own N boxes in all images: (N,) image, true class, and rank of the true class."""

    image: np.ndarray[tuple[int], np.dtype[np.int64]]
    label: np.ndarray[tuple[int], np.dtype[np.int64]]
    rank: np.ndarray[tuple[int], np.dtype[np.int64]]


def _naming(answered: Answered) -> _Naming:
    rows = [
        (row, label, rank)
        for row, answer in enumerate(answered.answers)
        if answer.region_labels is not None and answer.region_ranks is not None
        for label, rank in zip(answer.region_labels.tolist(), answer.region_ranks.tolist(), strict=True)
    ]
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return _Naming(table[:, 0], table[:, 1], table[:, 2])


def _accuracy(named: _Naming, k: int, answered: Answered, seed: int) -> MetricValue:
    if not len(named.rank):
        return metric_value(
            Estimate(math.nan, None, None, len(answered.answers), "no object has a box that the model can classify")
        )
    estimate = mean_class_accuracy(named.rank <= k, named.label, named.image, len(answered.answers), seed=seed)
    return metric_value(estimate, chance=min(1.0, k / answered.classes), n=len(named.rank))


def _of_engine(engine: str, truth: BoxTruth, found: BoxPredictions) -> dict[str, Estimate]:
    return {
        name: Estimate(
            value,
            None,
            None,
            truth.images,
            undefined(COCO_MEASURES[name]) if math.isnan(value) else f"the evaluator {engine} gives no value",
        )
        for name, value in engine_values(engine, truth, found).items()
    }


def _explained(estimate: Estimate, truth: BoxTruth) -> Estimate:
    """The estimate. If it is undefined because the data has no object to find, its reason says so."""
    if not math.isnan(estimate.value) or not truth.crowd.all():
        return estimate
    count = len(truth.crowd)
    if count < 2:
        return replace(estimate, reason="the only object is a crowd" if count else "the data has no object")
    return replace(estimate, reason=f"the {count:,} objects are all crowds")


def _class_results(
    matched: Mapping[str, Matches], truth: BoxTruth, named: _Naming | None, class_names: Sequence[str]
) -> list[ClassResult]:
    """The average precision of each class and the accuracy on its boxes; ``n`` is the number of its objects.

    Args:
        matched: the matches of boxes, and of masks if they are compared, by the prefix of their metrics.
    """
    results = []
    once = np.ones((truth.images, 1), dtype=np.int32)
    for label, name in enumerate(class_names):
        values: dict[str, float | None] = {}
        for prefix, matches in matched.items():
            own = matches.by_area["all"].get(label)
            values |= {f"{prefix}ap": None, f"{prefix}ap50": None}
            if own is not None:
                (precisions,) = average_precisions(own, once)
                values |= {f"{prefix}ap": float(precisions.mean()), f"{prefix}ap50": float(precisions[0])}
        if named is not None:
            ranks = named.rank[named.label == label]
            values["accuracy_top1"] = float((ranks == 1).mean()) if len(ranks) else None
        reason = reasons({"the data has no object of this class": None in values.values()})
        results.append(ClassResult(name=name, n=int(matched[""].objects[label]), values=values, reason=reason))
    return results
