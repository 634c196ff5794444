"""Records as tidy CSV: one row a model, task and metric, as pandas users expect it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vlmbench.interchange.registry import Exporter
from vlmbench.records import MetricValue, Summary
from vlmbench.reports.entries import remarks
from vlmbench.reports.formats.csv import to_csv
from vlmbench.reports.table_data import Table


def tidy_csv(records: Iterable[Summary]) -> str:
    """Every metric of every record with what tells records apart.

    Numbers have full precision, nothing is an empty cell, and truth is True or False, which ``pandas.read_csv`` takes
    without options. A name that begins like a spreadsheet's formula, or that pandas would take for a missing value
    (``NA``, ``null``), gets an apostrophe before it; see :func:`~vlmbench.reports.formats.csv.to_csv`.
    """
    rows = [
        {column: cell(record, name, metric) for column, cell in _CELLS.items()}
        for record in records
        for name, metric in record.metrics.items()
    ]
    return to_csv(Table("", (), (), rows)) if rows else ",".join(_CELLS) + "\n"


_CELLS: dict[str, Callable[[Summary, str, MetricValue], object]] = {
    "model": lambda record, name, metric: record.model.name,
    "task": lambda record, name, metric: record.task.name,
    "metric": lambda record, name, metric: name,
    "value": lambda record, name, metric: metric.value,
    "ci95_low": lambda record, name, metric: metric.ci95 and metric.ci95[0],
    "ci95_high": lambda record, name, metric: metric.ci95 and metric.ci95[1],
    "n": lambda record, name, metric: metric.n or None,
    "reason": lambda record, name, metric: metric.reason or None,
    "chance": lambda record, name, metric: metric.chance,
    "unit": lambda record, name, metric: metric.unit,
    "higher_is_better": lambda record, name, metric: metric.higher_is_better,
    "main": lambda record, name, metric: name == record.main_metric,
    "kind": lambda record, name, metric: record.task.plugin,
    "task_version": lambda record, name, metric: record.task.version,
    "split": lambda record, name, metric: record.task.dataset.split,
    "samples": lambda record, name, metric: record.task.dataset.samples or None,
    "standard_samples": lambda record, name, metric: record.task.dataset.standard_samples,
    "bad_samples": lambda record, name, metric: len(record.bad_samples),
    "limit": lambda record, name, metric: record.run.limit,
    "seed": lambda record, name, metric: record.run.seed,
    "precision": lambda record, name, metric: record.run.precision,
    "device": lambda record, name, metric: record.run.device,
    "images_per_second": lambda record, name, metric: record.run.images_per_second,
    "started": lambda record, name, metric: record.run.started,
    "weights_sha256": lambda record, name, metric: record.model.weights_sha256 or None,
    "imported_from": lambda record, name, metric: record.imported and record.imported.program,
    "remarks": lambda record, name, metric: remarks(record) or None,
    "run_id": lambda record, name, metric: record.id,
}
"""Columns to what stands in them for a record, one of its metrics' names and that metric."""
EXPORTER = Exporter("csv", "one row a model, task and metric", tidy_csv)
