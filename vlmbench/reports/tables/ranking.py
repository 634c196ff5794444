"""Describes the table of ``vlmbench report ranking``: models ranked over the tasks that all of them have."""

from vlmbench.reports.registry import MEASURED, ReportTable

TABLE = ReportTable(
    "ranking",
    "models over common tasks: mean, mean rank, Borda",
    "vlmbench.reports.builders.ranking:ranking_table",
    MEASURED | {"paired"},
    needs_records=True,
    place=3,
)
