"""Differences from tables against plain loops over resampled rows, with scikit-learn and pycocotools on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from answers.made import CLASSES, answers, classified, detected, retrieved, segmented, tagged
from metrics.detection.cases import pycocotools_stats, random_case
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from vlmbench.answers import Answers, class_differences, difference, measured, pairing_columns
from vlmbench.answers.paired_metric import ClassDifference
from vlmbench.errors import RecordError, UnpairableError
from vlmbench.metrics import Difference, expected_calibration_error
from vlmbench.metrics.detection import (
    COCO_MEASURES,
    LVIS_MEASURES,
    BoxPredictions,
    BoxTruth,
    Federation,
    box_values,
    match_boxes,
    mean_class_accuracy,
)
from vlmbench.metrics.detection.boxes import Ints

OfRows = Callable[[int, np.ndarray], float]
"""A model and the rows that were drawn to a value."""
N, RESAMPLES = 60, 12


def drawn(n: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, n, size=n) for _ in range(RESAMPLES)]


def check(found: Difference, of_rows: OfRows, n: int, tolerance: float = 1e-12) -> None:
    every = np.arange(n)
    assert found.baseline == pytest.approx(of_rows(0, every), abs=tolerance)
    assert found.candidate == pytest.approx(of_rows(1, every), abs=tolerance)
    assert found.value == pytest.approx(of_rows(1, every) - of_rows(0, every), abs=tolerance)
    differences = [of_rows(1, rows) - of_rows(0, rows) for rows in drawn(n)]
    assert found.error == pytest.approx(np.std(differences, ddof=1), abs=tolerance)


def shuffled(side: Answers) -> Answers:
    return replace(side, table=side.table.take(np.random.default_rng(9).permutation(side.table.num_rows)))


def compared(tables: list[pa.Table], metric: str, of_rows: OfRows, plugin: str = "classification") -> Difference:
    """The difference of two tables, the second one's rows in another order."""
    n = tables[0].num_rows
    sides = [
        answers(table, {metric: of_rows(model, np.arange(n))}, plugin=plugin) for model, table in enumerate(tables)
    ]
    return difference(sides[0], shuffled(sides[1]), metric, resamples=RESAMPLES)


@pytest.fixture
def single() -> tuple[np.ndarray, list[np.ndarray]]:
    random = np.random.default_rng(1)
    labels = random.integers(0, 4, N)
    common = random.normal(size=(N, 4)) + 1.5 * np.eye(4)[labels]
    return labels, [(common + random.normal(0, 0.7, (N, 4))).astype(np.float32) for _ in range(2)]


@pytest.fixture
def tags() -> tuple[np.ndarray, list[np.ndarray]]:
    random = np.random.default_rng(2)
    targets = random.random((N, 4)) < 0.3
    return targets, [(random.normal(size=(N, 4)) + targets).round(1).astype(np.float32) for _ in range(2)]


def test_accuracy_is_mcnemars(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    right = [row.argmax(axis=1) == labels for row in scores]
    found = compared([classified(labels, row) for row in scores], "acc1", lambda model, rows: right[model][rows].mean())
    assert found.method == "mcnemar" and found.n == N
    assert (found.gained, found.lost) == ((right[1] & ~right[0]).sum(), (right[0] & ~right[1]).sum())
    second = [(np.argsort(-row, axis=1)[:, :2] == labels[:, None]).any(axis=1) for row in scores]
    found = compared(
        [classified(labels, row) for row in scores], "acc2", lambda model, rows: second[model][rows].mean()
    )
    assert found.differing == (second[0] != second[1]).sum()


def test_class_recalls_and_calibration(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    tables = [classified(labels, row) for row in scores]
    guesses = [row.argmax(axis=1) for row in scores]

    def recall(model: int, rows: np.ndarray) -> float:
        return float(balanced_accuracy_score(labels[rows], guesses[model][rows]))

    check(found := compared(tables, "mean_per_class_recall", recall), recall, N)
    assert found.differing == ((guesses[0] == labels) != (guesses[1] == labels)).sum()

    def error(model: int, rows: np.ndarray) -> float:
        sure = np.asarray(tables[model]["confidence"])[rows]
        return expected_calibration_error(sure, (guesses[model] == labels)[rows], resamples=0).value

    check(compared(tables, "ece", error), error, N)


def test_areas_of_single_labels(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    """One class against the rest by probability at the record's logit scale, which is 1 here."""
    labels, scores = single
    exponents = [np.exp(row.astype(float)) for row in scores]
    likely = [row / row.sum(axis=1, keepdims=True) for row in exponents]

    def area(model: int, rows: np.ndarray) -> float:
        return float(np.mean([roc_auc_score(labels[rows] == label, likely[model][rows, label]) for label in range(4)]))

    check(compared([classified(labels, row) for row in scores], "roc_auc", area), area, N)


@pytest.mark.parametrize("metric", ["mean_average_precision", "roc_auc"])
def test_rankings_of_many_labels(metric: str, tags: tuple[np.ndarray, list[np.ndarray]]) -> None:
    targets, scores = tags
    each = average_precision_score if metric == "mean_average_precision" else roc_auc_score

    def mean(model: int, rows: np.ndarray) -> float:
        return float(np.mean([each(targets[rows, label], scores[model][rows, label]) for label in range(4)]))

    check(compared([tagged(targets, row) for row in scores], metric, mean), mean, N)


def test_retrieval_draws_images_with_their_captions() -> None:
    random = np.random.default_rng(3)
    images = random.integers(1, 20, (2, N))
    counts = random.integers(1, 5, N)
    captions = [[random.integers(1, 20, count).tolist() for count in counts] for _ in range(2)]
    tables = [retrieved(images[model], captions[model]) for model in range(2)]

    def of_captions(model: int, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([captions[model][row] for row in rows])

    found = compared(tables, "image_to_text_recall@5", lambda m, rows: (images[m][rows] <= 5).mean(), "retrieval")
    assert found.method == "mcnemar"
    asked: dict[str, OfRows] = {
        "text_to_image_recall@5": lambda m, rows: (of_captions(m, rows) <= 5).mean(),
        "mean_recall@5": lambda m, rows: ((images[m][rows] <= 5).mean() + (of_captions(m, rows) <= 5).mean()) / 2,
        "image_to_text_median_rank": lambda m, rows: float(np.median(images[m][rows])),
        "text_to_image_mean_rank": lambda m, rows: of_captions(m, rows).mean(),
        "text_to_image_median_rank": lambda m, rows: float(np.median(of_captions(m, rows))),
        "image_to_text_mean_rank": lambda m, rows: images[m][rows].mean(),
    }
    for metric, of_rows in asked.items():
        check(compared(tables, metric, of_rows, "retrieval"), of_rows, N)


def test_one_caption_an_image_is_mcnemars_both_ways() -> None:
    ranks = np.random.default_rng(4).integers(1, 9, (2, N))
    tables = [retrieved(row, row[:, None].tolist()) for row in ranks]
    found = compared(tables, "text_to_image_recall@1", lambda m, rows: (ranks[m][rows] == 1).mean(), "retrieval")
    assert found.method == "mcnemar" and found.n == N


def test_an_image_without_captions_is_said_and_no_crash() -> None:
    bare = answers(retrieved(np.array([1, 1]), [[1], []]), {"text_to_image_recall@1": 1.0}, "retrieval")
    with pytest.raises(RecordError, match="here: text_to_image_recall@1 cannot be computed from it"):
        difference(bare, bare, "text_to_image_recall@1")


def test_ranks_among_other_images_are_not_compared() -> None:
    table = retrieved(np.ones(5, dtype=int), [[1]] * 5)
    sides = [answers(rows, {"mean_recall@1": 1.0}, plugin="retrieval") for rows in (table, table.take([0, 1, 2]))]
    with pytest.raises(UnpairableError, match=r"the candidate lacks 2 \(e\.g\. '3\.png'\)"):
        difference(sides[0], sides[1], "mean_recall@1")


def pixels(seed: int) -> list[np.ndarray]:
    """Truth, then what two models met and predicted."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 50, (N, 4)) * (random.random((N, 4)) < 0.5)
    parts = [truth]
    for _ in range(2):
        met = (truth * random.uniform(0.5, 1, (N, 4))).astype(int)
        parts += [met, met + np.roll(truth - met, 1, axis=1)]
    return parts


@pytest.mark.parametrize("metric", ["miou", "pixel_accuracy", "mean_accuracy"])
def test_segmentation_sums_pixels_before_it_divides(metric: str) -> None:
    truth, *models = pixels(5)

    def of_rows(model: int, rows: np.ndarray) -> float:
        met, predicted, true = (part[rows].sum(axis=0) for part in (models[2 * model], models[2 * model + 1], truth))
        if metric == "pixel_accuracy":
            return float(met.sum() / true.sum())
        return float((met / (predicted + true - met if metric == "miou" else true)).mean())

    tables = [segmented(models[2 * model], models[2 * model + 1], truth) for model in range(2)]
    check(compared(tables, metric, of_rows, "segmentation"), of_rows, N)


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


@pytest.mark.parametrize("metric", ["ap", "ap50", "ar100"])
def test_detection_as_pycocotools_evaluates_every_draw(metric: str) -> None:
    truth, models = boxes(6)
    place = list(COCO_MEASURES).index(metric)

    def of_rows(model: int, rows: np.ndarray) -> float:
        return pycocotools_stats(*images_of(truth, models[model], np.sort(rows)))[place]

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
        return mean_class_accuracy(named, truth.label[chosen], np.zeros_like(chosen), 1, resamples=0).value

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
    with pytest.raises(UnpairableError, match="which classes ap_rare is of"):
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


def test_rare_actions_draws_videos() -> None:
    """Against scikit-learn: actions with a word in common and one without; the first three videos have two clips."""
    random = np.random.default_rng(12)
    words = [("cut", "phone"), ("wash", "phone"), ("drop", "egg"), ("open", "tree")]
    labels = random.integers(0, 3, 24)  # nobody opens a tree
    marks = np.where(random.random(24) < 0.5, 1, random.integers(0, 5, 24))
    marks[:3], labels[:3] = 1, [0, 1, 2]
    videos = np.r_[np.arange(21), :3]
    scores = [random.random((24, 4)).round(1).astype(np.float32) for _ in range(2)]

    def of_videos(model: int, drawn: np.ndarray) -> float:
        values = []
        for action in range(3):
            rows = np.flatnonzero((labels == action) | (marks == 1))
            related = np.array([bool(set(words[action]) & set(words[labels[row]])) for row in rows])
            positive = (labels[rows] == action) & (marks[rows] == 1)
            hard = ~positive & np.where(labels[rows] == action, marks[rows] > 1, related)
            groups = list(zip(positive.tolist(), hard.tolist(), videos[rows].tolist(), strict=True))
            weights = np.array([(drawn == video).sum() / groups.count((p, h, video)) for p, h, video in groups])
            if (weights * positive).any():
                own = scores[model][rows, action]
                values.append(average_precision_score(positive, own, sample_weight=weights))
        return float(np.mean(values))

    ranked = np.unique(videos[(marks == 1) | (labels < 3)])
    tables = []
    for own in scores:
        table = classified(labels, own)
        table = table.append_column("annotation", pa.array(marks, pa.int8()))
        table = table.append_column("video", pa.array([f"v{video}" for video in videos]))
        table = table.append_column("verb", pa.array([words[label][0] for label in labels]))
        tables.append(table.append_column("noun", pa.array([words[label][1] for label in labels])))
    sides = [answers(table, {"mwap": of_videos(model, ranked)}, "rare_actions") for model, table in enumerate(tables)]
    found = difference(sides[0], shuffled(sides[1]), "mwap", resamples=RESAMPLES)
    assert (found.n, found.method) == (21, "bootstrap")
    check(found, of_videos, 21)
    assert difference(sides[0], shuffled(sides[0]), "mwap").identical
    few = tables[0].to_pydict()
    few["scores"] = [
        [0.05] * 4 if video == "v2" else own for own, video in zip(few["scores"], few["video"], strict=True)
    ]
    other = answers(
        tables[0].set_column(5, "scores", pa.array(few["scores"], pa.list_(pa.float32()))), {}, "rare_actions"
    )
    other = answers(other.table, {"mwap": measured(other, "mwap").value}, "rare_actions")
    assert difference(sides[0], other, "mwap", resamples=5).differing == 1
    classes = class_differences(sides[0], sides[1], "mwap", resamples=5)
    assert [row.index for row in classes] == [0, 1, 2]
    assert np.mean([row.difference.value for row in classes]) == pytest.approx(found.value)
    with pytest.raises(UnpairableError, match="the candidate lacks 1"):
        difference(
            sides[0],
            answers(
                tables[1].slice(1),
                {"mwap": measured(answers(tables[1].slice(1), {}, "rare_actions"), "mwap").value},
                "rare_actions",
            ),
            "mwap",
        )


def by_name(rows: list[ClassDifference]) -> dict[str, ClassDifference]:
    return {row.name: row for row in rows}


def test_classes_of_single_labels_are_mcnemars(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    right = [row.argmax(axis=1) == labels for row in scores]
    sides = [answers(classified(labels, row), {"acc1": own.mean()}) for row, own in zip(scores, right, strict=True)]
    rows = by_name(class_differences(sides[0], shuffled(sides[1]), "acc1"))
    assert list(rows) == CLASSES
    for label, name in enumerate(CLASSES):
        own = labels == label
        assert rows[name].n == own.sum() and rows[name].value == "recall"
        assert rows[name].difference.value == pytest.approx(right[1][own].mean() - right[0][own].mean())
        assert rows[name].difference.method == "mcnemar"


def test_classes_of_many_labels_and_of_pixels(tags: tuple[np.ndarray, list[np.ndarray]]) -> None:
    targets, scores = tags

    def precision(label: int, model: int, rows: np.ndarray) -> float:
        return float(average_precision_score(targets[rows, label], scores[model][rows, label]))

    whole = [np.mean([precision(label, model, np.arange(N)) for label in range(4)]) for model in range(2)]
    sides = [
        answers(tagged(targets, row), {"mean_average_precision": mean}) for row, mean in zip(scores, whole, strict=True)
    ]
    rows = by_name(class_differences(sides[0], shuffled(sides[1]), "mean_average_precision", resamples=RESAMPLES))
    for label, name in enumerate(CLASSES):
        check(rows[name].difference, lambda model, rows, label=label: precision(label, model, rows), N)
        assert rows[name].n >= targets[:, label].sum()

    truth, *models = pixels(6)

    def iou(label: int, model: int, rows: np.ndarray) -> float:
        met, predicted, true = (p[rows, label].sum() for p in (models[2 * model], models[2 * model + 1], truth))
        return float(met / (predicted + true - met))

    whole = [np.mean([iou(label, model, np.arange(N)) for label in range(4)]) for model in range(2)]
    sides = [
        answers(segmented(models[2 * m], models[2 * m + 1], truth), {"miou": whole[m]}, "segmentation")
        for m in range(2)
    ]
    rows = by_name(class_differences(sides[0], shuffled(sides[1]), "miou", resamples=RESAMPLES))
    for label, name in enumerate(CLASSES):
        check(rows[name].difference, lambda model, rows, label=label: iou(label, model, rows), N)


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


def test_identical_runs_have_no_difference(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    values = {"acc1": (scores[0].argmax(axis=1) == labels).mean(), "mean_per_class_recall": None}
    values["mean_per_class_recall"] = balanced_accuracy_score(labels, scores[0].argmax(axis=1))
    side = answers(classified(labels, scores[0]), values)
    for metric in values:
        same = difference(side, shuffled(side), metric)
        assert same.identical and same.p_value == 1 and same.ci95 == (0, 0) and same.value == 0
    assert all(row.difference.identical for row in class_differences(side, shuffled(side), "acc1"))


def test_samples_of_one_side_only_are_left_out(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    right = [row.argmax(axis=1) == labels for row in scores]
    part = np.arange(0, N, 2)
    sides = [
        answers(classified(labels, scores[0]), {"acc1": right[0].mean()}),
        answers(classified(labels, scores[1]).take(part), {"acc1": right[1][part].mean()}),
    ]
    found = difference(*sides, "acc1")
    assert found.n == len(part) and found.baseline == right[0][part].mean()


def test_what_cannot_be_paired_says_why(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    table = classified(labels, scores[0])
    right = (scores[0].argmax(axis=1) == labels).mean()
    good = answers(table, {"acc1": right, "ece": None, "novel": 0.5})
    with pytest.raises(RecordError, match=r"predictions and record do not belong together: acc1 is 0\.\d+ by the"):
        difference(good, answers(table, {"acc1": right - 0.01}), "acc1")
    with pytest.raises(UnpairableError, match="ece is undefined"):
        difference(good, good, "ece")
    with pytest.raises(UnpairableError, match="does not say how samples make it up"):
        difference(good, good, "novel")
    with pytest.raises(UnpairableError, match="has no acc5"):
        difference(good, good, "acc5")
    with pytest.raises(UnpairableError, match="is a classification task"):
        difference(good, answers(table, {"acc1": right}, plugin="retrieval"), "acc1")
    with pytest.raises(RecordError, match="here: the predictions have no column 'top'"):
        difference(good, answers(table.drop_columns(["top"]), {"acc1": right}), "acc1")
    rare = answers(table, {"msap": 0.5, "mwap": 0.5}, plugin="rare_actions")
    with pytest.raises(UnpairableError, match="draws one clip a video at random"):
        difference(rare, rare, "msap")
    with pytest.raises(RecordError, match="here: the predictions have no column 'verb'"):
        difference(rare, rare, "mwap")
    engine = answers(table, {"ap": 0.5}, "detection", {"evaluator": "hotcoco"})
    with pytest.raises(UnpairableError, match="hotcoco gives numbers of the whole data only"):
        difference(engine, engine, "ap")


def test_only_the_columns_that_pairing_reads_are_needed(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    labels, scores = single
    table = classified(labels, scores[0])
    wanted = [name for name in pairing_columns("classification") if name in table.column_names]
    right = (scores[0].argmax(axis=1) == labels).mean()
    side = answers(table.append_column("more", [["x"] * N]).select(wanted), {"acc1": right})
    assert difference(side, side, "acc1").identical
    with pytest.raises(UnpairableError, match="novel"):
        pairing_columns("novel")
