"""The metrics of classification: how each is computed, what it needs, and its chance level. The plugin uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from vlmbench.errors import CardError
from vlmbench.metrics.base import Estimate
from vlmbench.metrics.classification import expected_calibration_error, mean_per_class_recall, per_class, top_k_accuracy
from vlmbench.metrics.ranking import (
    average_precision,
    mean_average_precision,
    mean_average_precision_11_point,
    mean_roc_auc,
)
from vlmbench.records import ClassResult, MetricValue
from vlmbench.tasks.base import check_known_metrics, metric_value, reasons
from vlmbench.tasks.classification.scores import Needed, Scored

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Measure:
    """One metric of a card.

    Attributes:
        compute: makes an estimate from the scores and the seed of the bootstrap.
        labels: the kind of labels for which it is defined: "single", "multi" or "both".
        keeps_scores: whether it needs the score of every class for every sample.
        higher_is_better: False for errors.
        chance: the expected value of random answers; None if it depends on the model.
        min_classes: the lowest number of classes. The metric is left out if there are fewer.
        needs: what it needs besides the best class. If the answers lack it, the metric has no value.
    """

    compute: Callable[[Scored, int], Estimate]
    labels: str
    keeps_scores: bool = False
    higher_is_better: bool = True
    chance: Callable[[Scored], float | None] = lambda scored: None
    min_classes: int = 2
    needs: tuple[Needed, ...] = ()


def _labels(scored: Scored) -> Labels:
    return cast(Labels, scored.labels)  # check_metrics() refuses single-label metrics on multi-label data


def _scores(scored: Scored) -> npt.NDArray[np.float32]:
    return cast(npt.NDArray[np.float32], scored.scores)


def _targets(scored: Scored) -> npt.NDArray[np.bool_]:
    return cast(npt.NDArray[np.bool_], scored.targets)


def _roc_auc(scored: Scored, seed: int) -> Estimate:
    if scored.targets is not None:
        return mean_roc_auc(_scores(scored), scored.targets, seed=seed)
    scores = _scores(scored).astype(np.float64)
    if (
        scored.num_classes > 2 and scored.logit_scale
    ):  # one-vs-rest ranks samples by probability, as is usual with scikit-learn
        exponents = np.exp(scored.logit_scale * (scores - scores.max(axis=1, keepdims=True)))
        scores = exponents / exponents.sum(axis=1, keepdims=True)
    return mean_roc_auc(scores, _labels(scored), seed=seed)


def _random_average_precision(scored: Scored) -> float:
    """The expected average precision of a random ranking, averaged over the classes with positives.

    In a random order of n samples with p positives, rank k has a positive with probability p / n. If it has one, the
    first k ranks have 1 + (k - 1)(p - 1) / (n - 1) positives on average. So E[AP] is
    (H_n + (n - H_n)(p - 1) / (n - 1)) / n, and H_n is the n-th harmonic number. This value is above p / n, the share of
    positives, and approaches it for large n.
    """
    targets = _targets(scored)
    n = len(targets)
    positives = targets.sum(axis=0)
    positives = positives[positives > 0]
    if n == 1 or not len(positives):
        return float(len(positives) > 0)
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    return float(((harmonic + (n - harmonic) * (positives - 1) / (n - 1)) / n).mean())


def _random_11_point(scored: Scored) -> float:
    """The mean of the metric over 50 seeded random rankings, because its expectation has no simple form."""
    targets = _targets(scored)
    random = np.random.default_rng(0)
    drawn = (mean_average_precision_11_point(random.random(targets.shape), targets, interval=False) for _ in range(50))
    return float(np.mean([estimate.value for estimate in drawn]))


MEASURES: dict[str, Measure] = {
    "acc1": Measure(lambda s, seed: top_k_accuracy(s.top, _labels(s), 1), "single", chance=lambda s: 1 / s.num_classes),
    "acc5": Measure(
        lambda s, seed: top_k_accuracy(s.top, _labels(s), 5),
        "single",
        chance=lambda s: 5 / s.num_classes,
        min_classes=5,
        needs=("order",),
    ),
    "mean_per_class_recall": Measure(
        lambda s, seed: mean_per_class_recall(s.top[:, 0], _labels(s)),
        "single",
        chance=lambda s: 1 / s.num_classes,
    ),
    "ece": Measure(
        lambda s, seed: expected_calibration_error(cast(Floats, s.confidence), s.top[:, 0] == _labels(s)),
        "single",
        higher_is_better=False,
        needs=("confidence",),
    ),
    "mean_average_precision": Measure(
        lambda s, seed: mean_average_precision(_scores(s), _targets(s), seed=seed),
        "multi",
        keeps_scores=True,
        chance=_random_average_precision,
        needs=("scores",),
    ),
    "map_11_point": Measure(
        lambda s, seed: mean_average_precision_11_point(_scores(s), _targets(s), seed=seed),
        "multi",
        keeps_scores=True,
        chance=_random_11_point,
        needs=("scores",),
    ),
    "roc_auc": Measure(_roc_auc, "both", keeps_scores=True, chance=lambda s: 0.5, needs=("scores", "probabilities")),
}


def check_metrics(names: Sequence[str], *, multi_label: bool, where: str) -> None:
    """Refuse metrics that do not exist, and metrics for the other kind of labels.

    Raises:
        UnknownNameError: there is no metric of this name.
        CardError: the metric is for the other kind of labels.
    """
    kind = "multi" if multi_label else "single"
    check_known_metrics(names, MEASURES, where=where)
    for name in names:
        if MEASURES[name].labels not in (kind, "both"):
            raise CardError(f"{where}: metric {name!r} is for {MEASURES[name].labels}-label data, not {kind}-label")


def metric_values(names: Sequence[str], scored: Scored, seed: int) -> dict[str, MetricValue]:
    """The values of the named metrics. Metrics that need more classes are left out."""
    values = {}
    for name in names:
        measure = MEASURES[name]
        if reason := _lacking(measure, scored):
            values[name] = MetricValue(
                value=None, n=len(scored.indices), higher_is_better=measure.higher_is_better, reason=reason
            )
        elif scored.num_classes >= measure.min_classes:
            values[name] = metric_value(
                measure.compute(scored, seed),
                chance=measure.chance(scored),
                higher_is_better=measure.higher_is_better,
            )
    return values


def _lacking(measure: Measure, scored: Scored) -> str:
    """Why a metric has no value for these answers; "" if it has one.

    Only the one-vs-rest ranking of more than two classes needs probabilities.
    """
    ranked = scored.targets is not None or scored.num_classes <= 2
    needs = [need for need in measure.needs if not (ranked and need == "probabilities")]
    return next((scored.lacks[need] for need in needs if need in scored.lacks), "")


def class_results(scored: Scored, class_names: Sequence[str]) -> list[ClassResult]:
    """The recall, precision and F1 of each class; for multi-label data, its average precision."""
    if scored.targets is not None:
        return [
            _ranked_class(name, None if scored.scores is None else scored.scores[:, index], present)
            for index, (name, present) in enumerate(zip(class_names, scored.targets.T, strict=True))
        ]
    return [
        ClassResult(
            name=class_names[row.index],
            n=row.n,
            values={"recall": row.recall, "precision": row.precision, "f1": row.f1},
            ci95=None if row.low is None or row.high is None else (row.low, row.high),
            reason=reasons({"no sample shows it": row.recall is None, "it was never predicted": row.precision is None}),
        )
        for row in per_class(scored.top, _labels(scored), scored.num_classes)
    ]


def _ranked_class(name: str, scores: npt.NDArray[np.float32] | None, present: npt.NDArray[np.bool_]) -> ClassResult:
    known = scores is not None and present.any()
    return ClassResult(
        name=name,
        n=int(present.sum()),
        values={"average_precision": average_precision(scores, present) if scores is not None and known else None},
        reason=reasons(
            {
                "no sample shows it": not present.any(),
                "its scores were not kept, because no metric of the card needs them": scores is None,
            }
        ),
    )
