"""Describes the table of ``vlmbench report base-to-new``: models that learnt half of a task's classes."""

from vlmbench.reports.registry import MEASURED, ReportTable

TABLE = ReportTable(
    "base-to-new",
    "models that learnt half of the classes: accuracy on base and new classes, and H",
    "vlmbench.reports.builders.base_to_new:base_to_new_table",
    MEASURED,
    needs_records=True,
    place=17,
    adapted=True,
)
