"""Sides of a comparison: results folders whose answers are what a test wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vlmbench.gate.outcome import Comparison, TaskComparison
from vlmbench.gate.policy import Gate
from vlmbench.records import ClassResult, MetricValue, Predictions, Record
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_record

CLASSES = ("cat", "dog", "fish", "newt", "crow")
N = 3000
"""Samples of a task."""


def table(
    answers: NDArray[np.int64], labels: NDArray[np.int64], *, ids: Sequence[str] | None = None, shift: float = 0.0
) -> pa.Table:
    """Predictions of classification: the given answer first, the other classes behind it.

    Args:
        answers: (N,) classes.
        labels: (N,) true classes.
        ids: of the samples, whose content goes with them.
        shift: makes the confidences another model's.
    """
    names = [f"s{row:05d}" for row in range(len(labels))] if ids is None else list(ids)
    others = np.arange(len(CLASSES))
    top = np.stack([np.concatenate([[answer], others[others != answer]]) for answer in answers]).astype(np.int32)
    rows, width = top.shape
    scores = pa.array(np.linspace(0.9, 0.1, rows * width).astype(np.float32))
    return pa.table(
        {
            "sample": pa.array(names, pa.string()),
            "content": pa.array([sha256(name.encode()).hexdigest() for name in names], pa.string()),
            "label": pa.array(labels, pa.int32()),
            "top": pa.FixedSizeListArray.from_arrays(pa.array(top.reshape(-1)), width),
            "top_scores": pa.FixedSizeListArray.from_arrays(scores, width),
            "confidence": pa.array(np.linspace(0.3, 0.9, rows) + shift, pa.float32()),
        }
    )


def record_of(predictions: pa.Table, model: str, task: str, /, **fields: Any) -> tuple[Record, bytes]:
    """The record that goes with a table, and the table's file."""
    labels = np.asarray(predictions["label"])
    top = np.asarray(predictions["top"].combine_chunks().flatten()).reshape(len(labels), -1)
    right = top[:, 0] == labels
    recalls = [right[labels == place].mean() if (labels == place).any() else None for place in range(len(CLASSES))]
    sink = BytesIO()
    pq.write_table(predictions, sink)
    scored = sorted(zip(predictions["content"].to_pylist(), labels.tolist(), strict=True))
    fingerprint = sha256(repr(scored).encode()).hexdigest()
    base = make_record(model, task, id=sha256(f"{model}{task}{fields}".encode()).hexdigest()[:16])
    data = base.model_dump(by_alias=True)
    data["task"]["dataset"]["fingerprint"] = fingerprint
    data["task"]["dataset"]["samples"] = len(labels)
    data["metrics"] = {
        "acc1": MetricValue(value=float(right.mean()), n=len(labels)).model_dump(),
        "mean_per_class_recall": MetricValue(
            value=float(np.mean([recall for recall in recalls if recall is not None])), n=len(labels)
        ).model_dump(),
    }
    data["per_class"] = [
        ClassResult(
            name=name, n=int((labels == place).sum()), values={"recall": None if recall is None else float(recall)}
        ).model_dump()
        for place, (name, recall) in enumerate(zip(CLASSES, recalls, strict=True))
    ]
    data["predictions"] = Predictions(
        file=f"{base.id}.parquet", rows=len(labels), sha256=sha256(sink.getvalue()).hexdigest()
    ).model_dump()
    for place, value in fields.items():
        *path, last = place.split("__")
        part = data
        for name in path:
            part = part[name]
        part[last] = value
    return Record.model_validate(data), sink.getvalue()


def write(root: Path, predictions: pa.Table, model: str = "m", task: str = "t", /, **fields: Any) -> Path:
    """A record in a results folder; returns its file."""
    return ResultStore(root).write(*record_of(predictions, model, task, **fields))


def labels(n: int) -> NDArray[np.int64]:
    return np.arange(n) % len(CLASSES)


def answers(n: int, wrong: slice | Sequence[int] = ()) -> NDArray[np.int64]:
    """Right everywhere but there."""
    found = labels(n)
    rows = np.arange(n)[wrong] if isinstance(wrong, slice) else np.array(wrong, dtype=int)
    found[rows] = (found[rows] + 1) % len(CLASSES)
    return found


def two_sides(
    root: Path, tasks: Mapping[str, tuple[int, Sequence[int], Sequence[int]]], **fields: Any
) -> tuple[Path, Path]:
    """Two results folders.

    Args:
        root: where.
        tasks: names to the number of samples, and the rows that the baseline and the candidate get wrong.
        fields: of the candidate's records.
    """
    for task, (n, before, after) in tasks.items():
        write(root / "old", table(answers(n, before), labels(n)), "m", task)
        write(root / "new", table(answers(n, after), labels(n), shift=0.01), "m", task, **fields)
    return root / "old", root / "new"


def gate(**fields: Any) -> Gate:
    """A gate of these fields."""
    return Gate.model_validate(fields)


def rule(task: str = "t", **fields: Any) -> Gate:
    """A gate of one rule."""
    return gate(rules=[{"tasks": [task], **fields}])


def one(found: Comparison) -> TaskComparison:
    """The only task of a comparison."""
    (task,) = found.tasks
    return task


def sides(tmp_path: Path, before: Sequence[int], after: Sequence[int], n: int = N, **fields: Any) -> tuple[Path, Path]:
    """Two results folders of one task, by the rows that each gets wrong."""
    return two_sides(tmp_path, {"t": (n, before, after)}, **fields)
