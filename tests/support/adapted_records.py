"""Records of adapted models, with predictions that fit their numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import DatasetInfo, MetricValue, Predictions, Record
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_record


def make_adapted(
    method: str,
    draw: int,
    right: Sequence[bool],
    start: Sequence[bool],
    *,
    shots: int = 4,
    track: str = "no-validation",
    model: str = "m",
    task: str = "few",
    images: str = "support",
    model_fields: dict[str, Any] | None = None,
    cost: dict[str, Any] | None = None,
    **info: Any,
) -> tuple[Record, bytes]:
    """One draw of a method, and its predictions.

    Args:
        right: whether the method answers each test image rightly.
        start: the same of zero-shot.
        images: the fingerprint of the support images; each draw adds its own number.
        model_fields: fields of the model's part.
        cost: fields of the cost.
        info: fields of the record's part on transfer.
    """
    name = f"{model}/{task}/{method}/{track}/{shots}/{draw}{info or ''}"
    id = sha256(name.encode()).hexdigest()[:16]
    rows = [sha256(bytes([row])).hexdigest() for row in range(len(right))]
    table = pa.table(
        {
            "sample": [f"{row:04d}" for row in range(len(right))],
            "content": rows,
            "label": pa.array([0] * len(right), pa.int32()),
            "top": pa.FixedSizeListArray.from_arrays(pa.array([int(not r) for r in right], pa.int32()), 1),
            "confidence": pa.array([0.5] * len(right), pa.float32()),
            "zero_shot": pa.array([int(not r) for r in start], pa.int32()),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    predictions = out.getvalue()
    record = make_record(model, task, id=id, value=sum(right) / len(right))
    protocol = {"transfer": method, "shots": shots, "draw": draw, "track": track}
    protocol |= {name: info[name] for name in ("setting", "source") if name in info}
    data = DatasetInfo(source="imagefolder", location="x", samples=10, fingerprint=f"{images} {draw}")
    return record.model_copy(
        update={
            "model": record.model.model_copy(update=model_fields or {}),
            "metrics": {"acc1": MetricValue(value=sum(right) / len(right), n=len(right))},
            "predictions": Predictions(file=f"{id}.parquet", rows=len(rows), sha256=sha256(predictions).hexdigest()),
            "task": record.task.model_copy(update={"protocol": protocol, "other_data": {"train": data}}),
            "transfer": TransferInfo(
                method=method,
                version=1,
                track=track,
                shots=shots,
                draw=draw,
                zero_shot={"acc1": sum(start) / len(start)},
                cost=TransferCost(**{"fit_seconds": 0.5, **(cost or {})}),
                **info,
            ),
        }
    ), predictions


def put(store: ResultStore, *made: tuple[Record, bytes]) -> list[Record]:
    """Write records; returns them."""
    for record, predictions in made:
        store.write(record, predictions)
    return [record for record, _ in made]


def hits(pattern: str) -> list[bool]:
    """``"110"``: right, right, wrong."""
    return [sign == "1" for sign in pattern]
