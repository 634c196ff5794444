"""Two methods on the same draws: the mean difference, its interval, and which draws count."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adapted_records import hits, make_adapted, put
from scipy.stats import ttest_rel

from vlmbench.metrics.paired import difference_errors
from vlmbench.reports.curves import Curve, curves_of
from vlmbench.reports.paired_draws import against_method, against_zero_shot
from vlmbench.store import ResultStore

START = "1100110000"
A = ("1111110000", "1111100000", "1111111000")
B = ("1110110000", "1110100000", "1110111100")


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path)


def curves(store: ResultStore, b: tuple[str, ...] = B, **other: str) -> tuple[Curve, Curve]:
    made = [make_adapted("a", draw, hits(text), hits(START)) for draw, text in enumerate(A)]
    made += [make_adapted("b", draw, hits(text), hits(START), **other) for draw, text in enumerate(b)]  # type: ignore[arg-type]
    first, second = curves_of(put(store, *made))
    return first, second


def test_with_predictions_the_interval_covers_draws_and_samples(store: ResultStore) -> None:
    first, second = curves(store)
    found = against_method(first.points[0], second.points[0], first, store)
    assert found is not None and list(found.differences.values()) == pytest.approx([0.1, 0.1, 0.0])
    assert found.mean == pytest.approx(0.2 / 3) and found.better == 2
    means = [np.mean([hits(text) for text in texts], axis=0) for texts in (A, B)]
    error = difference_errors(np.stack(means))[0, 1]
    assert found.samples_error == pytest.approx(error)
    values = [[np.mean(hits(text)) for text in texts] for texts in (A, B)]
    paired = ttest_rel(*values).confidence_interval(0.95)
    half = math.hypot((paired.high - paired.low) / 2, 1.959964 * error)
    assert found.interval == pytest.approx((found.mean - half, found.mean + half))


def test_without_predictions_it_covers_draws_only(store: ResultStore) -> None:
    first, second = curves(store)
    values = [[np.mean(hits(text)) for text in texts] for texts in (A, B)]
    paired = ttest_rel(*values).confidence_interval(0.95)
    found = against_method(first.points[0], second.points[0], first, None)
    assert found is not None and found.samples_error is None
    assert found.interval == pytest.approx((paired.low, paired.high))
    for path in store.root.rglob("*.parquet"):
        path.unlink()
    found = against_method(first.points[0], second.points[0], first, store)
    assert found is not None and found.samples_error is None


def test_only_draws_with_the_same_images_are_paired(store: ResultStore) -> None:
    first, second = curves(store, b=B[:2])
    found = against_method(first.points[0], second.points[0], first, store)
    assert found is not None and list(found.differences) == [0, 1]
    first, second = curves(store, images="other images")
    assert against_method(first.points[0], second.points[0], first, store) is None


@pytest.mark.parametrize("part", ["weights", "prompts", "precision", "version"])
def test_only_draws_that_differ_in_the_method_alone_are_paired(store: ResultStore, part: str) -> None:
    first, second = curves(store)
    changed = []
    for record in second.points[0].records:
        task = record.task
        changed.append(
            record.model_copy(
                update={
                    "weights": {"model": record.model.model_copy(update={"weights_sha256": "9" * 64})},
                    "prompts": {"task": task.model_copy(update={"prompts_sha256": "9" * 64})},
                    "precision": {"run": record.run.model_copy(update={"precision": "bf16"})},
                    "version": {"task": task.model_copy(update={"version": "99"})},
                }[part]
            )
        )
    other = replace(second.points[0], records=changed)
    assert against_method(first.points[0], second.points[0], first, store) is not None
    assert against_method(first.points[0], other, first, store) is None


def test_zero_shot_is_the_start_of_each_draw(store: ResultStore) -> None:
    first, _ = curves(store)
    found = against_zero_shot(first.points[0], first, store)
    assert found is not None and list(found.differences.values()) == pytest.approx([0.2, 0.1, 0.3])
    mean = np.mean([hits(text) for text in A], axis=0)
    assert found.samples_error == pytest.approx(difference_errors(np.stack([mean, np.array(hits(START), float)]))[0, 1])
    unknown = replace(first.points[0], starts={})
    assert against_zero_shot(unknown, first, store) is None
