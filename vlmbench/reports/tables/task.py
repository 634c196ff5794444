"""Describes the table of ``vlmbench report task``: models in the order of one task."""

from vlmbench.reports.registry import NUMBERS, ReportTable

TABLE = ReportTable(
    "task",
    "models in the order of one task",
    "vlmbench.reports.builders.one_task:task_table",
    (NUMBERS | {"paired"}) - {"tasks"},
    takes_name="needed",
    place=6,
)
