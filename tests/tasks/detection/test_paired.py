"""Differences of detection against pycocotools on every draw."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from answers.draws import RESAMPLES, check, class_differences, difference, shuffled
from answers.made import answers, detected
from metrics.detection.cases import pycocotools_stats, random_case

from vlmbench.answers.paired_metric import measured
from vlmbench.errors import UnpairableError
from vlmbench.metrics.detection.accuracy import mean_class_accuracy
from vlmbench.metrics.detection.boxes import BoxPredictions, BoxTruth, Federation, Ints
from vlmbench.metrics.detection.matching import match_boxes
from vlmbench.metrics.detection.measures import COCO_MEASURES, LVIS_MEASURES, box_values


def boxes(seed: int) -> tuple[BoxTruth, list[BoxPredictions]]:
    """Two detectors on the same objects, in numbers that float32 holds."""
    truth, first = random_case(seed, images=12, ties=False)
    random = np.random.default_rng(seed)

    def as_stored(found: BoxPredictions, noise: float) -> BoxPredictions:
        moved = found.xywh * (1 + random.normal(0, noise, found.xywh.shape))
        order = np.argsort(found.image, kind="stable")
        return BoxPredictions(
            found.image[order],
            found.label[order],
            np.abs(moved[order]).astype(np.float32).astype(float),
            found.score[order].astype(np.float32).astype(float),
        )

    return truth, [as_stored(first, 0.0), as_stored(first, 0.1)]


def images_of(truth: BoxTruth, found: BoxPredictions, images: np.ndarray) -> tuple[BoxTruth, BoxPredictions]:
    """The data of the images that were drawn, each draw an image of its own."""

    def rows(image: Ints) -> tuple[Ints, Ints]:
        chosen = [np.flatnonzero(image == each) for each in images]
        return np.concatenate(chosen), np.repeat(np.arange(len(images)), [len(each) for each in chosen])

    own, place = rows(truth.image)
    objects = BoxTruth(
        len(images), truth.classes, place, truth.label[own], truth.xywh[own], truth.area[own], truth.crowd[own]
    )
    own, place = rows(found.image)
    return objects, BoxPredictions(place, found.label[own], found.xywh[own], found.score[own])


def test_detection_as_pycocotools_evaluates_every_draw() -> None:
    truth, models = boxes(6)

    @functools.cache
    def of_images(model: int, images: tuple[int, ...]) -> list[float]:
        return pycocotools_stats(*images_of(truth, models[model], np.array(images)))

    for metric in ("ap", "ap50", "ar100"):
        place = list(COCO_MEASURES).index(metric)

        def of_rows(model: int, rows: np.ndarray, place: int = place) -> float:
            return of_images(model, tuple(sorted(rows.tolist())))[place]

        sides = [
            answers(detected(truth, found), {metric: of_rows(model, np.arange(12))}, "detection", {"classes": 5})
            for model, found in enumerate(models)
        ]
        found = difference(sides[0], shuffled(sides[1]), metric, resamples=RESAMPLES)
        check(found, of_rows, 12)


def test_detection_counts_the_images_that_differ() -> None:
    truth, (first, _) = boxes(7)
    score = first.score.copy()
    score[first.image == 3] *= 0.5
    score[np.flatnonzero(first.image == 5)[0]] *= 0.75
    tables = [detected(truth, first), detected(truth, replace(first, score=score))]
    sides = [answers(table, {"ap": 0.0}, "detection", {"classes": 5}) for table in tables]
    sides = [answers(side.table, {"ap": measured(side, "ap").value}, "detection", {"classes": 5}) for side in sides]
    assert difference(*sides, "ap", resamples=5).differing == 2


def test_naming_of_given_boxes() -> None:
    truth, (first, _) = boxes(8)
    random = np.random.default_rng(8)
    ranks = [random.integers(1, 4, len(truth.image)) for _ in range(2)]
    table = detected(truth, first)

    def of_rows(model: int, rows: np.ndarray) -> float:
        chosen = np.concatenate([np.flatnonzero(truth.image == row) for row in rows])
        named = ranks[model][chosen] == 1
        return mean_class_accuracy(named, truth.label[chosen], np.zeros_like(chosen), 1, interval=False).value

    sides = []
    for model in range(2):
        lists = [ranks[model][truth.image == row].tolist() for row in range(12)]
        own = table.append_column("region_labels", table["truth_labels"])
        own = own.append_column("region_ranks", pa.array(lists, pa.list_(pa.int32())))
        value = {"mean_class_accuracy_top1": of_rows(model, np.arange(12))}
        sides.append(answers(own, value, "detection", {"classes": 5}))
    found = difference(sides[0], shuffled(sides[1]), "mean_class_accuracy_top1", resamples=RESAMPLES)
    check(found, of_rows, 12)
    rows = class_differences(sides[0], sides[1], "mean_class_accuracy_top1", resamples=RESAMPLES)
    for row in rows:
        own = truth.label == row.index
        assert row.difference.value == pytest.approx((ranks[1][own] == 1).mean() - (ranks[0][own] == 1).mean())


def test_groups_of_classes_are_those_that_the_record_names() -> None:
    truth, (first, second) = boxes(9)
    names = ["a", "b", "c", "d", "e"]
    protocol = {"classes": 5, "groups": {"novel": ["b", "c"]}}
    sides = [
        answers(detected(truth, found), {"ap50_novel": 0.0, "ap50": 0.0}, "detection", protocol, classes=names)
        for found in (first, second)
    ]
    group = measured(sides[0], "ap50_novel").value
    table = measured(sides[0], "ap50").classes
    assert table is not None
    every = table().statistics(np.ones((1, 12), dtype=np.int32))[0]  # type: ignore[union-attr]
    assert group == pytest.approx(np.nanmean(every[1:3]))
    with pytest.raises(UnpairableError, match="the record does not say which classes ap_rare covers"):
        measured(sides[0], "ap_rare")


def test_lvis_rules_are_those_of_the_lists_in_the_table() -> None:
    truth, (found, _) = boxes(11)
    absent, partial = [[row % 4] for row in range(12)], [[] if row % 3 else [1] for row in range(12)]
    table = detected(truth, found)
    for name, labels in (("absent", absent), ("partial", partial)):
        table = table.append_column(name, pa.array(labels, pa.list_(pa.int32())))
    pairs = [{(row, label) for row, own in enumerate(each) for label in own} for each in (absent, partial)]
    matches = match_boxes(truth, found, Federation(frozenset(pairs[0]), frozenset(pairs[1])))
    expected = box_values(matches, {"ap": LVIS_MEASURES["ap"]}, np.ones((1, 12), dtype=np.int32))[0, 0]
    side = answers(table, {"ap": expected}, "detection", {"classes": 5, "evaluator": "lvis"})
    assert difference(side, shuffled(side), "ap").baseline == expected
    assert measured(answers(table, {}, "detection", {"classes": 5}), "ap").value != expected


def test_lvis_groups_are_those_of_the_objects_in_the_table() -> None:
    truth, (first, second) = boxes(13)
    letters = "rcfrc"
    names = [[letters[label] for label in truth.label[truth.image == row]] for row in range(12)]
    every = np.ones((1, 12), dtype=np.int32)
    none = Federation(frozenset(), frozenset())
    for group, letter in (("rare", "r"), ("common", "c"), ("frequent", "f")):
        own = frozenset(label for label, other in enumerate(letters) if other == letter)
        measure = replace(LVIS_MEASURES["ap"], classes=own)
        sides = []
        for found in (first, second):
            table = detected(truth, found).append_column("truth_frequencies", pa.array(names))
            for empty in ("absent", "partial"):
                table = table.append_column(empty, pa.array([[]] * 12, pa.list_(pa.int32())))
            value = box_values(match_boxes(truth, found, none), {"ap": measure}, every)[0, 0]
            sides.append(answers(table, {f"ap_{group}": value}, "detection", {"classes": 5, "evaluator": "lvis"}))
        found = difference(*sides, f"ap_{group}", resamples=5)
        assert found.value != 0 and found.baseline == sides[0].record.metrics[f"ap_{group}"].value


def test_classes_of_detection() -> None:
    truth, models = boxes(10)
    sides = [answers(detected(truth, found), {"ap": 0.0}, "detection", {"classes": 5}) for found in models]
    sides = [
        answers(side.table, {"ap": measured(side, "ap").value}, "detection", {"classes": 5}, list("abcde"))
        for side in sides
    ]
    whole = difference(*sides, "ap", resamples=5)
    rows = class_differences(*sides, "ap", resamples=5)
    assert [row.name for row in rows] == [row.name for row in rows if row.value == "ap"] and len(rows) >= 3
    assert np.mean([row.difference.baseline for row in rows]) == pytest.approx(whole.baseline)
    assert np.mean([row.difference.candidate for row in rows]) == pytest.approx(whole.candidate)
    assert all(1 <= row.n <= 12 and row.difference.n == row.n for row in rows)
