"""Differences from the Parquet files beside records."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report_cases import asked

from vlmbench.metrics.paired import difference_errors
from vlmbench.records import MetricValue, Record
from vlmbench.reports.builders.one_task import task_table
from vlmbench.reports.entries import gather
from vlmbench.reports.facts import ModelFacts
from vlmbench.reports.paired_errors import contributions, paired_errors
from vlmbench.reports.table_view import TableView
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_record

N = 400
LABELS = np.arange(N) % 3


def correct_rows(seed: int, share: float) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random(N) < share


def predictions(correct: np.ndarray[Any, Any], order: np.ndarray[Any, Any] | None = None) -> pa.Table:
    """Three classes; a wrong answer's second guess is right."""
    best = np.where(correct, LABELS, (LABELS + 1) % 3)
    second = np.where(correct, (LABELS + 1) % 3, LABELS)
    rows = pa.table(
        {
            "sample": [f"{i}.png" for i in range(N)],
            "content": [f"{i:064x}" for i in range(N)],
            "label": pa.array(LABELS, pa.int32()),
            "top": pa.FixedSizeListArray.from_arrays(pa.array(np.stack([best, second], 1).ravel(), pa.int32()), 2),
        }
    )
    return rows if order is None else rows.take(pa.array(order))


def write(store: ResultStore, model: str, table: pa.Table, value: float, metric: str = "acc1", **run: Any) -> Record:
    file = io.BytesIO()
    pq.write_table(table, file)
    record = make_record(model, "t", **run)
    score = MetricValue(value=value, ci95=(value - 0.05, value + 0.05), n=N)
    beside = record.predictions.model_copy(update={"rows": N, "sha256": sha256(file.getvalue()).hexdigest()})
    update = {"metrics": {metric: score}, "main_metric": metric, "predictions": beside}
    record = record.model_copy(update=update)
    store.write(record, file.getvalue())
    return record


def test_errors_are_of_the_same_samples_whatever_their_order(tmp_path: Path) -> None:
    store, a, b = ResultStore(tmp_path), correct_rows(0, 0.8), correct_rows(1, 0.6)
    shuffled = np.random.default_rng(2).permutation(N)
    records = [
        write(store, "a", predictions(a), a.mean()),
        write(store, "b", predictions(b, shuffled), b.mean()),
    ]
    expected = difference_errors(np.stack([a, b]).astype(float))[0, 1]
    assert paired_errors(records, store) == {("a", "b"): pytest.approx(expected), ("b", "a"): pytest.approx(expected)}


def test_no_pairing_without_predictions_or_on_other_data_or_of_other_metrics(tmp_path: Path) -> None:
    store, correct = ResultStore(tmp_path), correct_rows(0, 0.8)
    a, b = (write(store, name, predictions(correct), 0.8) for name in "ab")
    assert len(paired_errors([a, b], store)) == 2
    data = b.task.dataset.model_copy(update={"fingerprint": "other"})
    assert paired_errors([a, b.model_copy(update={"task": b.task.model_copy(update={"dataset": data})})], store) == {}
    assert paired_errors([a.model_copy(update={"main_metric": "miou"}), b], store) == {}
    (store.folder("b", "t") / b.predictions.file).write_bytes(b"no parquet")
    assert paired_errors([a, b], store) == {}
    foreign = io.BytesIO()
    pq.write_table(predictions(~correct), foreign)
    (store.folder("b", "t") / b.predictions.file).write_bytes(foreign.getvalue())
    assert paired_errors([a, b], store) == {}, "a file of another run in its place"
    (store.folder("b", "t") / b.predictions.file).unlink()
    assert paired_errors([a, b], store) == {}


def test_samples_are_matched_by_what_they_are_and_not_by_their_places(tmp_path: Path) -> None:
    store, correct = ResultStore(tmp_path), correct_rows(0, 0.8)
    table = predictions(correct)
    other = table.set_column(1, "content", pa.array([f"{i + 1:064x}" for i in range(N)]))
    records = [write(store, name, rows, 0.8) for name, rows in (("a", table), ("b", table), ("c", other), ("d", other))]
    assert set(paired_errors(records, store)) == {("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")}


def test_one_image_under_two_labels_is_matched_by_its_label(tmp_path: Path) -> None:
    store, correct = ResultStore(tmp_path), correct_rows(0, 0.8)
    twins = predictions(correct).set_column(1, "content", pa.array([f"{i // 2:064x}" for i in range(N)]))
    backwards = twins.take(pa.array(np.arange(N)[::-1]))
    records = [write(store, "a", twins, 0.8), write(store, "b", backwards, 0.8)]
    assert paired_errors(records, store)["a", "b"] == pytest.approx(np.sqrt(2) / N), "the same answers"


def test_each_metric_from_its_columns() -> None:
    correct = correct_rows(0, 0.7)
    table = predictions(correct)
    acc1, acc2, recall = (contributions("classification", name) for name in ("acc1", "acc2", "mean_per_class_recall"))
    assert acc1 and acc2 and recall and contributions("detection", "ap") is None
    assert acc1.compute(table).mean() == correct.mean() and acc2.compute(table).mean() == 1.0
    assert abs(recall.compute(table).mean()) < 1e-9, "class means are taken out"


def test_recalls_are_means_over_images_in_both_directions() -> None:
    table = pa.table(
        {
            "content": ["a", "b"],
            "image_to_text_rank": pa.array([1, 7], pa.int32()),
            "text_to_image_ranks": pa.array([[1, 2, 9], [1]], pa.list_(pa.int32())),
        }
    )
    found = {
        name: measure.compute(table).mean()
        for name in ("image_to_text_recall@5", "text_to_image_recall@1", "mean_recall@1")
        if (measure := contributions("retrieval", name))
    }
    assert found == {
        "image_to_text_recall@5": pytest.approx(1 / 2),
        "text_to_image_recall@1": pytest.approx(2 / 4),
        "mean_recall@1": pytest.approx((1 / 2 + 2 / 4) / 2),
    }


def test_a_task_table_says_ties_and_resolves_them_by_shared_samples(tmp_path: Path) -> None:
    store, base = ResultStore(tmp_path), correct_rows(0, 0.7)
    better = base.copy()
    better[np.flatnonzero(~base)[:20]] = True
    for name, correct in (("base", base), ("better", better), ("twin", base)):
        write(store, name, predictions(correct), float(correct.mean()))
    found = gather(store.summaries())

    def ranks(**view: Any) -> dict[object, object]:
        table = task_table(asked(found, TableView(**view), name="t", facts=ModelFacts(), store=store))
        return {row["model"]: (row["rank_first"], row["rank_last"]) for row in table.data}

    assert ranks() == {"better": (1, 1), "base": (2, 3), "twin": (2, 3)}
    assert ranks(paired=False) == {"better": (1, 3), "base": (1, 3), "twin": (1, 3)}
