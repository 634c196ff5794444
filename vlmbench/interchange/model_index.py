"""Records as the ``model-index`` of a Hugging Face model card.

The format is that of huggingface/hub-docs, modelcard.md: models, each with results, each of a task, a dataset and
metrics. ``huggingface_hub.ModelCardData`` reads it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from vlmbench.catalogue import find_tasks, task_card_files
from vlmbench.records import MetricValue, Summary

TASK_TYPES: Mapping[str, tuple[str, str]] = {
    # Kinds of tasks to the hub's, and what people call them.
    "classification": ("zero-shot-image-classification", "Zero-Shot Image Classification"),
    "retrieval": ("image-text-retrieval", "Image-Text Retrieval"),
    "segmentation": ("image-segmentation", "Zero-Shot Semantic Segmentation"),
    "detection": ("zero-shot-object-detection", "Zero-Shot Object Detection"),
    "rare_actions": ("video-classification", "Zero-Shot Action Recognition"),
}
METRIC_TYPES: Mapping[str, str] = {"acc1": "accuracy", "miou": "mean_iou", "roc_auc": "roc_auc"}
"""Metrics under the hub's identifiers where it has them; the others keep their names."""


def model_index(records: Iterable[Summary]) -> str:
    """The YAML that belongs between the ``---`` lines of a model card. Values are fractions, unless a rank.

    Args:
        records: of one model or of several; each makes one result.
    """
    by_model: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_model.setdefault(record.model.name, []).append(_result(record))
    index = [{"name": model, "results": results} for model, results in by_model.items()]
    return yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=110)


def _result(record: Summary) -> dict[str, Any]:
    kind, called = TASK_TYPES.get(record.task.plugin, (record.task.plugin, record.task.plugin))
    return {
        "task": {"type": kind, "name": called},
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
    return (find_tasks(task)[0].title or task) if task in task_card_files() else task


def _caveat(record: Summary) -> str:
    """What keeps the numbers from being the dataset's own; a model card has no other place for it."""
    said: Sequence[str | None] = (
        f"{_subset(record)} of {record.task.dataset.samples:,}" if record.run.limit is not None else None,
        f"{len(record.bad_samples)} unreadable samples left out" if record.bad_samples else None,
        f"as {record.imported.program} reports it" if record.imported else None,
    )
    found = [part for part in said if part]
    return f" ({'; '.join(found)})" if found else ""


def _subset(record: Summary) -> str:
    return "stratified subset" if record.run.drawn == "by class" else "random subset"


def _metrics(record: Summary) -> list[dict[str, Any]]:
    """The main metric first; those that the data cannot define are left out."""
    names = sorted(record.metrics, key=lambda name: name != record.main_metric)
    return [_metric(name, record.metrics[name]) for name in names if record.metrics[name].value is not None]


def _metric(name: str, metric: MetricValue) -> dict[str, Any]:
    said: dict[str, Any] = {"type": METRIC_TYPES.get(name, name), "value": metric.value, "name": name}
    if metric.ci95 is not None:
        said["args"] = {"ci95": list(metric.ci95)}
    return said
