"""A kind of task of another package: how many things an image shows, answered by a number."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlmbench.answers.columns import numbers
from vlmbench.answers.measured import FromColumns, Measured, Pairing, SampleChanges
from vlmbench.kinds import TaskKind
from vlmbench.records import MetricValue, Record, Summary
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_record


def _right(table: pa.Table) -> np.ndarray[Any, Any]:
    return np.asarray(numbers(table, "guess") == numbers(table, "count"))


def measured(record: Summary, table: pa.Table, metric: str) -> Measured | None:
    if metric != "exact":
        return None
    right = _right(table)
    return Measured(len(right), lambda weights: weights @ right / len(right), right, right=right)


def changes(baseline: pa.Table, candidate: pa.Table, class_names: Sequence[str]) -> SampleChanges:
    count, before, after = numbers(baseline, "count"), numbers(baseline, "guess"), numbers(candidate, "guess")
    nearer = np.abs(before - count) - np.abs(after - count)
    return SampleChanges(
        nearer.astype(float),
        lambda row: f"{before[row]} things",
        lambda row: f"{after[row]} things",
        lambda row: f"{count[row]} things",
    )


PAIRING = Pairing(
    measured,
    columns=(),
    answers=("guess",),
    contributions=lambda metric: (
        FromColumns(("count", "guess"), lambda table: _right(table).astype(float)) if metric == "exact" else None
    ),
    changes=changes,
    confidences=FromColumns(("sure", "count", "guess"), lambda table: (numbers(table, "sure"), _right(table))),
)
KIND = TaskKind(
    name="counting",
    title="Counting things",
    plugin="nowhere:PLUGIN",
    metrics=("exact",),
    truth=("count",),
    paired=PAIRING,
    hub_task=("object-counting", "Object Counting"),
    hub_metrics=(("exact", "exact_match"),),
    place=0,
)


def answered(model: str, guesses: Sequence[int], counts: Sequence[int], task: str = "jars") -> tuple[Record, bytes]:
    """A record of this kind with its table."""
    rows = len(counts)
    table = pa.table(
        {
            "sample": [f"{row}.png" for row in range(rows)],
            "content": [sha256(b"one image for all").hexdigest()] * rows,  # only the count tells samples apart
            "count": pa.array(counts, pa.int32()),
            "guess": pa.array(guesses, pa.int32()),
            "sure": pa.array([0.75] * rows, pa.float64()),
        }
    )
    sink = BytesIO()
    pq.write_table(table, sink)
    value = float(np.mean(np.array(guesses) == np.array(counts)))
    data = make_record(model, task, id=sha256(f"{model}{task}".encode()).hexdigest()[:16]).model_dump(by_alias=True)
    data["task"]["plugin"] = "counting"
    data["task"]["dataset"]["samples"] = rows
    data["metrics"] = {
        "exact": MetricValue(value=value, ci95=(value - 0.02, value + 0.02), n=rows).model_dump(),
        "ece": MetricValue(value=0.1, n=rows, higher_is_better=False).model_dump(),
    }
    data["main_metric"] = "exact"
    data["predictions"] = {
        "file": f"{data['id']}.parquet",
        "rows": rows,
        "sha256": sha256(sink.getvalue()).hexdigest(),
    }
    return Record.model_validate(data), sink.getvalue()


def write(root: Path, model: str, guesses: Sequence[int], counts: Sequence[int], task: str = "jars") -> Path:
    """Such a record in a results folder; returns its file."""
    return ResultStore(root).write(*answered(model, guesses, counts, task))
