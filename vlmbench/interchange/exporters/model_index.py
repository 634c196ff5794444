"""Writes records as the ``model-index`` of a Hugging Face model card. ``vlmbench export -f model-index`` uses it.

The format is described in huggingface/hub-docs, modelcard.md: a list of models; each has results; each result has a
task, a dataset and metrics. ``huggingface_hub.ModelCardData`` reads it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from vlmbench.catalogue import known_task
from vlmbench.errors import UsageError
from vlmbench.interchange.registry import Exporter
from vlmbench.kinds import known_kind
from vlmbench.records import MetricValue, Summary
from vlmbench.reports.entries import remarks
from vlmbench.wording import listed

NAMED = 3
"""A message names at most this many models."""


def model_index(records: Sequence[Summary]) -> str:
    """The YAML that belongs between the ``---`` lines of a model card.

    Each record becomes a result. Values are fractions, or ranks.

    Raises:
        UsageError: the records are of several models. The format allows that, but its readers give all results to
            the last model.
    """
    models = list(dict.fromkeys(record.model.name for record in records))
    if len(models) > 1:
        raise UsageError(
            f"a model card describes one model, and these records are of {len(models):,}: {listed(models, most=NAMED)}",
            hint="Choose one with --model.",
        )
    index = [{"name": name, "results": [_result(record) for record in records]} for name in models]
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=110)


def _result(record: Summary) -> dict[str, Any]:
    kind = known_kind(record.task.plugin)
    identifier, title = (kind and kind.hub_task) or (record.task.plugin, kind.title if kind else record.task.plugin)
    return {
        "task": {"type": identifier, "name": title},
        "dataset": _dataset(record),
        "metrics": _metrics(record),
    }


def _dataset(record: Summary) -> dict[str, Any]:
    data = record.task.dataset
    said = {
        "name": _title(record.task.name) + _caveat(record),
        "type": data.location if data.source == "hub" else record.task.name,
        "split": data.split,
        "revision": data.revision,
    }
    return {name: value for name, value in said.items() if value is not None}


def _title(task: str) -> str:
    return (card.title if (card := known_task(task)) else None) or task


def _caveat(record: Summary) -> str:
    """The remarks, in brackets behind the dataset's name: a model card has no other place for them."""
    found = remarks(record)
    return f" ({found})" if found else ""


def _metrics(record: Summary) -> list[dict[str, Any]]:
    """The main metric first. Metrics without a value are left out."""
    names = sorted(record.metrics, key=lambda name: name != record.main_metric)
    kind = known_kind(record.task.plugin)
    identifiers = dict(kind.hub_metrics if kind else ())
    return [
        _metric(name, identifiers.get(name, name), record.metrics[name])
        for name in names
        if record.metrics[name].value is not None
    ]


def _metric(name: str, identifier: str, metric: MetricValue) -> dict[str, Any]:
    said: dict[str, Any] = {"type": identifier, "value": metric.value, "name": name}
    if metric.ci95 is not None:
        said["args"] = {"ci95": list(metric.ci95)}
    return said


EXPORTER = Exporter("model-index", "the YAML of one model's Hugging Face card", model_index)
