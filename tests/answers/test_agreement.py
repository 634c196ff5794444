"""Two runs that differ by rounding are of one behaviour; two of which a decision differs are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from answers.made import answers, classified, detected, fixed, segmented, tagged

from vlmbench.answers.agreement import rounding
from vlmbench.answers.measured import Measured, Pairing
from vlmbench.answers.paired_metric import PairedMetric, pair, pairing
from vlmbench.answers.rounding import Scores
from vlmbench.answers.tables import Aligned
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth

N, CLASSES = 40, 7
ULP = 1e-7
LABELS = np.arange(N) % CLASSES


def scores(seed: int = 0) -> np.ndarray:
    """(N, C) of which every third is wrong, none near another."""
    random = np.random.default_rng(seed)
    found = np.stack([random.permutation(CLASSES) for _ in range(N)]) * 0.05
    rows = np.flatnonzero(np.arange(N) % 3 > 0)
    found[rows, LABELS[rows]] = 0.4
    return found


def noisy(values: np.ndarray, seed: int = 1) -> np.ndarray:
    return values + ULP * np.random.default_rng(seed).choice([-1, 1], values.shape)


def single(values: np.ndarray, *, kept: tuple[str, ...] = ("top_scores",)) -> pa.Table:
    """Five best classes of single-label data, with or without their scores."""
    table = classified(LABELS, values)
    top = np.argsort(-values, axis=1, kind="stable")[:, :5]
    table = table.set_column(table.column_names.index("top"), "top", fixed(top, pa.int32()))
    table = table.append_column("top_scores", fixed(np.take_along_axis(values, top, axis=1), pa.float32()))
    return table.drop_columns([name for name in ("top_scores", "scores") if name not in kept])


def paired(before: pa.Table, after: pa.Table, metric: str = "acc1", plugin: str = "classification") -> PairedMetric:
    sides = [answers(table, {metric: value_of(table, metric, plugin)}, plugin) for table in (before, after)]
    return pair(*sides, metric)


def value_of(table: pa.Table, metric: str, plugin: str) -> float:
    found = pairing(plugin).measured(answers(table, {}, plugin).record, table, metric)
    assert found is not None
    return found.value


def swapped(values: np.ndarray, row: int, first: int, second: int) -> np.ndarray:
    """Two places of a sample's ranking in the other order, their scores an ulp apart."""
    found, order = values.copy(), np.argsort(-values[row])
    found[row, order[second]] = values[row, order[first]]
    found[row, order[first]] = values[row, order[first]] - ULP
    return found


def level(values: np.ndarray, row: int, first: int, second: int) -> np.ndarray:
    """The same two in their order, an ulp apart."""
    found, order = values.copy(), np.argsort(-values[row])
    found[row, order[second]] = values[row, order[first]] - ULP
    return found


@pytest.mark.parametrize("metric", ["acc1", "acc5", "mean_per_class_recall", "ece"])
def test_scores_an_ulp_apart_are_no_difference(metric: str) -> None:
    found = paired(single(scores()), single(noisy(scores())), metric)
    assert not found.identical and found.rounding is not None and 0 < found.rounding.largest < 1e-6
    difference = found.difference()
    assert difference.rounding and not difference.identical and abs(difference.value) < 1e-6
    assert (difference.p_value, difference.p_below(0), difference.p_above(0)) == (1, 1, 1)
    assert difference.ci95 == (difference.value, difference.value) and difference.differing == 0
    assert all(row.difference.rounding for row in found.class_differences())


def test_the_same_bytes_stay_identical_and_real_changes_are_neither() -> None:
    same = paired(single(scores()), single(scores()))
    assert same.identical and same.rounding is None and same.difference().identical
    for change in (1e-4, 1e-2):
        found = paired(single(scores()), single(scores() + change * np.random.default_rng(2).normal(size=(N, CLASSES))))
        assert not found.identical and found.rounding is None and not found.difference().rounding


def test_a_change_of_one_score_of_one_sample_is_enough() -> None:
    changed = scores()
    changed[17, np.argmax(changed[17])] += 1e-4
    assert paired(single(scores()), single(changed)).rounding is None


def test_a_tie_that_falls_the_other_way_is_a_decision() -> None:
    assert paired(single(level(scores(), 1, 0, 1)), single(swapped(scores(), 1, 0, 1))).rounding is None


def test_classes_that_change_places_count_only_if_the_true_one_is_among_them() -> None:
    row = 0  # wrong: the true class is one of the others
    order = np.argsort(-scores()[row])
    true = int(np.flatnonzero(order == LABELS[row])[0])
    others = next(place for place in range(1, 4) if true not in (place, place + 1))
    assert 0 < true < 5, "the case is one of the five best"
    for place, kept, agrees in (
        (others, ("top_scores",), True),
        (others, (), False),  # without their scores it may be anything
        (true - 1 if true > 1 else true, ("top_scores",), False),
    ):
        sides = [single(make(scores(), row, place, place + 1), kept=kept) for make in (level, swapped)]
        assert (paired(*sides).rounding is not None) == agrees, (place, kept)


def test_older_baselines_without_the_scores_of_the_best_are_told_by_confidence() -> None:
    assert paired(single(scores(), kept=()), single(noisy(scores()))).rounding is not None
    other = scores() * 1.01
    assert paired(single(scores(), kept=()), single(other)).rounding is None


@pytest.mark.parametrize("metric", ["mean_average_precision", "map_11_point", "roc_auc"])
def test_of_ranks_of_samples_the_metric_itself_tells(metric: str) -> None:
    random = np.random.default_rng(3)
    targets = random.random((N, 3)) < 0.4
    values = random.permutation(N * 3).reshape(N, 3) / 200
    found = paired(tagged(targets, values), tagged(targets, noisy(values)), metric)
    assert found.rounding is not None and found.difference().rounding
    assert all(row.difference.rounding for row in found.class_differences())
    column = values[:, 0]
    best = np.argsort(-column)
    flip = next(place for place in range(N - 1) if targets[best[place], 0] and not targets[best[place + 1], 0])
    tied = [values.copy(), values.copy()]
    for side, table in enumerate(tied):
        table[best[flip + side], 0], table[best[flip + 1 - side], 0] = column[best[flip]], column[best[flip]] - ULP
    tops = [tagged(targets, values)["top"]] * 2
    sides = [tagged(targets, table) for table in tied]
    sides = [
        table.set_column(table.column_names.index("top"), "top", top) for table, top in zip(sides, tops, strict=True)
    ]
    assert rounding_of(*sides, "classification") is not None, "no score and no class moved"
    assert paired(*sides, metric).rounding is None, "a positive sample fell behind a negative one"


def rounding_of(before: pa.Table, after: pa.Table, plugin: str | Pairing) -> object:
    own = plugin if isinstance(plugin, Pairing) else pairing(plugin)
    return rounding(Aligned(before, after, (), ()), own)


def test_samples_of_one_side_alone_and_known_differences_are_no_rounding() -> None:
    before, after = single(scores()), single(noisy(scores()))
    own = pairing("classification")
    assert rounding(Aligned(before, after, ("x",), ()), own) is None
    sides = [answers(table, {"acc1": value_of(table, "acc1", "classification")}) for table in (before, after)]
    assert pair(*sides, "acc1", exact=True).rounding is None
    assert pair(*sides, "acc1").rounding is not None


def boxed(**changes: Any) -> pa.Table:
    """Two images: two detections of one class in the first, a third of another; one in the second."""
    truth = BoxTruth(
        images=2,
        classes=4,
        image=np.array([0, 0, 1]),
        label=np.array([0, 1, 0]),
        xywh=np.array([[10, 10, 200, 200], [300, 10, 50, 50], [5, 5, 90, 90]], dtype=np.float64),
        area=np.array([40000.0, 2500.0, 8100.0]),
        crowd=np.zeros(3, dtype=bool),
    )
    found = BoxPredictions(
        image=np.array([0, 0, 0, 1]),
        label=np.array([0, 0, 1, 0]),
        xywh=np.array([[11, 10, 200, 200], [400, 300, 30, 30], [300, 10, 50, 52], [5, 5, 91, 90]], dtype=np.float64),
        score=np.array([0.8, 0.8 - ULP, 0.3, 0.9]),
    )
    return detected(truth, replace(found, **changes))


def detections() -> BoxPredictions:
    xywh = np.array([[11, 10, 200, 200], [400, 300, 30, 30], [300, 10, 50, 52], [5, 5, 91, 90]], dtype=np.float64)
    return BoxPredictions(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 0]), xywh, np.array([0.8, 0.8 - ULP, 0.3, 0.9]))


def test_boxes_may_move_by_rounding_and_equal_scores_change_places() -> None:
    xywh = detections().xywh
    for moved in (
        boxed(xywh=xywh + 1e-4),
        boxed(xywh=xywh[[1, 0, 2, 3]] + 1e-5, score=np.array([0.8, 0.8, 0.3, 0.9])),
        boxed(score=detections().score * (1 + 1e-7)),
    ):
        assert rounding_of(boxed(), moved, "detection") is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"label": np.array([0, 0, 2, 0])},
        {"label": np.array([1, 0, 1, 0])},
        {"score": np.array([0.8, 0.79, 0.3, 0.9])},
        {"xywh": detections().xywh + 0.5 * (np.arange(16) == 7).reshape(4, 4)},
        {"image": np.array([0, 0, 1, 1])},
        {name: getattr(detections(), name)[:3] for name in ("image", "label", "xywh", "score")},
    ],
    ids=["label", "another label", "score", "box", "image", "lost"],
)
def test_another_label_box_score_or_count_is_a_decision(changes: dict[str, Any]) -> None:
    assert rounding_of(boxed(), boxed(**changes), "detection") is None


def test_average_precision_of_boxes_that_moved_by_rounding_is_unchanged() -> None:
    before, after = boxed(), boxed(xywh=detections().xywh + 1e-4)
    found = paired(before, after, "ap", "detection")
    assert found.rounding is not None and found.difference().rounding
    assert all(row.difference.rounding for row in found.class_differences())
    # An IoU of 1/2 sharp: the same move takes the box across the threshold, and the metric with it.
    across = [boxed(xywh=detections().xywh + shift * (np.arange(16) == 0).reshape(4, 4)) for shift in (65.666, 65.667)]
    assert paired(*across, "ap", "detection").rounding is None


def test_pixels_and_ranks_are_decisions_to_the_last() -> None:
    truth = np.array([[50, 50], [80, 20]])
    met = np.array([[40, 30], [60, 10]])
    before = segmented(met, met + 5, truth)
    after = segmented(met + np.array([[1, 0], [0, 0]]), met + np.array([[6, 5], [5, 5]]), truth)
    assert not pairing("segmentation").scores and rounding_of(before, after, "segmentation") is None
    assert not pairing("retrieval").scores


def of_another_package(**fields: Any) -> Pairing:
    def measure(record: object, table: pa.Table, metric: str) -> Measured:
        right = np.asarray(table["said"]) == 1
        return Measured(len(right), lambda weights: weights @ right / len(right), right, right=right)

    return Pairing(measure, columns=("said",), answers=("said", "sure"), **fields)


@pytest.mark.parametrize(
    ("said", "sure", "agrees"),
    [([1, 0], [0.5, 0.25], True), ([1, 1], [0.5, 0.25], False), ([1, 0], [0.5, 0.26], False)],
)
def test_a_kind_from_outside_says_which_columns_are_scores_else_bytes_tell(
    said: list[int], sure: list[float], agrees: bool
) -> None:
    before = pa.table({"said": [1, 0], "sure": [0.5 + ULP, 0.25]})
    after = pa.table({"said": said, "sure": sure})
    assert rounding_of(before, after, of_another_package()) is None
    own = of_another_package(scores=(Scores("sure", "probability"),))
    assert (rounding_of(before, after, own) is not None) == agrees
    decided: Callable[[pa.Table], list[np.ndarray]] = lambda table: [np.zeros(2)]  # noqa: E731
    free = of_another_package(scores=(Scores("sure", "probability"),), decisions=decided)
    assert (rounding_of(before, after, free) is not None) == (sure[1] == 0.25), "its own decisions are what counts"
    assert rounding_of(before, after.drop_columns(["sure"]), own) is None
    assert rounding_of(before, after.drop_columns(["said"]), own) is None
