"""Makes records for tests of tables, formats, exporters and all other code that reads records."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from vlmbench.records import (
    CacheUse,
    DatasetInfo,
    Environment,
    Failure,
    MetricValue,
    ModelInfo,
    Predictions,
    Record,
    RunInfo,
    TaskInfo,
)

ROWS = b"rows"
"""The content of a toy record's Parquet file. The record has its hash."""
ENVIRONMENT = Environment(vlmbench="0", python="3.11", platform="test", packages={})


def make_record(
    model: str = "m", task: str = "t", id: str = "0123456789abcdef", value: float = 0.5, **run: Any
) -> Record:
    """A complete record of a classification task with 10 samples.

    Args:
        value: the value of the main metric ``acc1``, a fraction.
        run: fields of :class:`~vlmbench.records.RunInfo` to replace.
    """
    return Record(
        id=id,
        model=ModelInfo(
            name=model,
            adapter="toy",
            spec="",
            weights_sha256="w",
            parameters=1,
            architecture="a",
            preprocess="p",
            tokenizer="t",
            capabilities=[],
            embedding_dim=2,
            logit_scale=1.0,
            logit_bias=0.0,
        ),
        task=TaskInfo(
            name=task,
            plugin="classification",
            version="1.1",
            dataset=DatasetInfo(source="imagefolder", location="x", samples=10, fingerprint="f"),
            prompts_sha256="p",
        ),
        metrics={
            "acc1": MetricValue(value=value, ci95=(value - 0.1, value + 0.1), n=10, chance=0.1),
            "ece": MetricValue(value=None, n=10, higher_is_better=False),
        },
        main_metric="acc1",
        predictions=Predictions(file=f"{id}.parquet", rows=10, sha256=sha256(ROWS).hexdigest()),
        run=RunInfo(
            **{
                "started": "2026-01-01T00:00:00+00:00",
                "seconds": {"total": 1.0},
                "images_per_second": 10.0,
                "device": "cpu",
                "precision": "fp32",
                "batch_size": 32,
                "seed": 0,
                "cache": CacheUse(),
                **run,
            }
        ),
        environment=ENVIRONMENT,
    )


def make_failure(
    model: str = "m", task: str = "t", message: str = "it broke", started: str = "2026-01-01T00:00:00+00:00"
) -> Failure:
    """The failure that a results folder keeps if a pair failed."""
    return Failure(
        model=model,
        task=task,
        status="failed",
        error="ModelError",
        message=message,
        started=started,
        environment=ENVIRONMENT,
    )
