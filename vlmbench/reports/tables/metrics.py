"""Describes the table of ``vlmbench report metrics``: every metric of every pair."""

from vlmbench.reports.registry import NUMBERS, ReportTable

TABLE = ReportTable(
    "metrics",
    "every metric of every pair",
    "vlmbench.reports.builders.results:requested_metrics",
    NUMBERS,
    needs_records=True,
    place=2,
)
