"""Describes the table of ``vlmbench report cross-dataset``: models that learnt from another task's train data."""

from vlmbench.reports.registry import MEASURED, ReportTable

TABLE = ReportTable(
    "cross-dataset",
    "models that learnt from another task's data: cross-dataset transfer and domain generalisation",
    "vlmbench.reports.builders.cross_dataset:cross_dataset_table",
    MEASURED,
    needs_records=True,
    place=18,
    adapted=True,
)
