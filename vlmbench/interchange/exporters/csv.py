"""Records as tidy CSV: one row a model, task and metric, as pandas users expect it."""

from __future__ import annotations

from collections.abc import Iterable

from vlmbench.interchange.registry import Exporter
from vlmbench.records import MetricValue, Summary
from vlmbench.reports.entries import remarks
from vlmbench.reports.formats.csv import to_csv
from vlmbench.reports.table_data import Table


def tidy_csv(records: Iterable[Summary]) -> str:
    """Every metric of every record with what tells records apart.

    Numbers have full precision, nothing is an empty cell, and truth is True or False, which ``pandas.read_csv`` takes
    without options. A name that begins like a spreadsheet's formula gets an apostrophe before it.
    """
    rows = [_row(record, name, metric) for record in records for name, metric in record.metrics.items()]
    return to_csv(Table("", (), (), rows)) if rows else ",".join(_COLUMNS) + "\n"


def _row(record: Summary, name: str, metric: MetricValue) -> dict[str, object]:
    low, high = metric.ci95 or (None, None)
    data = record.task.dataset
    values = (
        record.model.name,
        record.task.name,
        name,
        metric.value,
        low,
        high,
        metric.n or None,
        metric.chance,
        metric.unit,
        metric.higher_is_better,
        name == record.main_metric,
        record.task.plugin,
        record.task.version,
        data.split,
        data.samples or None,
        data.standard_samples,
        len(record.bad_samples),
        record.run.limit,
        record.run.seed,
        record.run.precision,
        record.run.device,
        record.run.images_per_second,
        record.run.started,
        record.model.weights_sha256 or None,
        record.imported.program if record.imported else None,
        remarks(record) or None,
        record.id,
    )
    return dict(zip(_COLUMNS, values, strict=True))


_COLUMNS = (
    "model",
    "task",
    "metric",
    "value",
    "ci95_low",
    "ci95_high",
    "n",
    "chance",
    "unit",
    "higher_is_better",
    "main",
    "kind",
    "task_version",
    "split",
    "samples",
    "standard_samples",
    "bad_samples",
    "limit",
    "seed",
    "precision",
    "device",
    "images_per_second",
    "started",
    "weights_sha256",
    "imported_from",
    "remarks",
    "run_id",
)


EXPORTER = Exporter("csv", "one row a model, task and metric", tidy_csv)
