"""Which answers are paired, which are refused and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answers.draws import N, class_differences, difference, shuffled, single_labels
from answers.made import answers, classified
from sklearn.metrics import balanced_accuracy_score

from vlmbench.answers.paired_metric import pairing_columns
from vlmbench.answers.tables import Answers
from vlmbench.errors import RecordError, UnpairableError


@pytest.fixture
def single() -> tuple[np.ndarray, list[np.ndarray]]:
    return single_labels()


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
    with pytest.raises(UnpairableError, match="does not state how samples contribute to it"):
        difference(good, good, "novel")
    with pytest.raises(UnpairableError, match="has no acc5"):
        difference(good, good, "acc5")
    with pytest.raises(UnpairableError, match="is a classification task"):
        difference(good, answers(table, {"acc1": right}, plugin="retrieval"), "acc1")
    with pytest.raises(RecordError, match="here: the predictions have no column 'top'"):
        difference(good, answers(table.drop_columns(["top"]), {"acc1": right}), "acc1")
    rare = answers(table, {"msap": 0.5, "mwap": 0.5}, plugin="rare_actions")
    with pytest.raises(UnpairableError, match="draws one clip of each video at random"):
        difference(rare, rare, "msap")
    with pytest.raises(RecordError, match="here: the predictions have no column 'verb'"):
        difference(rare, rare, "mwap")
    engine = answers(table, {"ap": 0.5}, "detection", {"evaluator": "hotcoco"})
    with pytest.raises(UnpairableError, match="hotcoco gives numbers for the whole dataset only"):
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


def test_the_models_own_intervals_play_no_part(single: tuple[np.ndarray, list[np.ndarray]]) -> None:
    """A comparison is of the same samples: a record's interval may be of any method, absent, or wrong."""
    labels, scores = single
    guesses = [row.argmax(axis=1) for row in scores]
    values = [
        {"acc1": (guess == labels).mean(), "mean_per_class_recall": balanced_accuracy_score(labels, guess)}
        for guess in guesses
    ]
    sides = [answers(classified(labels, row), own) for row, own in zip(scores, values, strict=True)]

    def with_interval(side: Answers, interval: tuple[float, float] | None) -> Answers:
        metrics = {name: found.model_copy(update={"ci95": interval}) for name, found in side.record.metrics.items()}
        return replace(side, record=side.record.model_copy(update={"metrics": metrics}))

    for metric in ("acc1", "mean_per_class_recall"):
        found = [
            difference(with_interval(sides[0], interval), with_interval(sides[1], interval), metric, **bootstrap)
            for interval in (None, (0.0, 1.0), (0.99, 0.991))
            for bootstrap in [{"resamples": 12} if metric != "acc1" else {}]
        ]
        assert found[0] == found[1] == found[2]
