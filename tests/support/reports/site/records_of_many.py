"""Records of many models on many tasks, as a results folder has them after months of work."""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlmbench.records import ClassResult, MetricValue, Predictions, Record
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_record

CLASSES = 100
ECE = 0.05


def make_answer(model: str, task: str, value: float, /, *, rows: int = 200, **changes: Any) -> tuple[Record, bytes]:
    """A classification record with its classes, and predictions that its accuracy fits.

    Args:
        model: its name.
        task: its name.
        value: the accuracy.
        rows: samples.
        changes: fields of the record to replace.
    """
    seed = int(sha256(f"{model}/{task}".encode()).hexdigest()[:8], 16)
    predictions = _predictions(value, rows, seed)
    record = make_record(model, task, id=f"{seed:08x}" * 2, value=value, images_per_second=float(50 + seed % 900))
    spread = 1.96 * (value * (1 - value) / rows) ** 0.5
    interval = (max(0.0, value - spread), min(1.0, value + spread))
    fields = {
        "metrics": {
            "acc1": MetricValue(value=value, ci95=interval, n=rows, chance=1 / CLASSES),
            "ece": MetricValue(value=ECE, ci95=(ECE / 2, ECE * 2), n=rows, higher_is_better=False),
        },
        "per_class": [
            ClassResult(name=f"class {c}", n=2, values={"recall": (seed + c) % 101 / 100}, ci95=(0.0, 1.0))
            for c in range(CLASSES)
        ],
        "model": record.model.model_copy(update={"parameters": 1_000_000 * (1 + seed % 2000)}),
        "predictions": Predictions(file=f"{record.id}.parquet", rows=rows, sha256=sha256(predictions).hexdigest()),
        **changes,
    }
    return record.model_copy(update=fields), predictions


def fill(store: ResultStore, models: int, tasks: int, /, **how: Any) -> None:
    """Every model on every task, each a little different; ``how`` goes to :func:`make_answer`."""
    for m in range(models):
        for t in range(tasks):
            value = 0.2 + 0.6 * ((m * 7919 + t * 104729) % 1000) / 1000
            store.write(*make_answer(f"model-{m:03d}", f"task-{t:02d}", value, **how))


def _predictions(value: float, rows: int, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    label = random.integers(0, CLASSES, rows)
    right = random.random(rows) < value
    top = np.stack([np.where(right, label, (label + 1) % CLASSES), *((label + k) % CLASSES for k in (2, 3, 4, 5))], 1)
    table = pa.table(
        {
            "sample": [f"{row:06d}" for row in range(rows)],
            "content": [sha256(bytes([row % 256, row // 256])).hexdigest() for row in range(rows)],
            "label": pa.array(label, pa.int32()),
            "top": pa.FixedSizeListArray.from_arrays(pa.array(top.astype(np.int32).reshape(-1)), 5),
            "confidence": pa.array(random.random(rows).astype(np.float32), pa.float32()),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
