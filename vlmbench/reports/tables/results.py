"""Describes the table of ``vlmbench report results``: the main metric of every pair."""

from vlmbench.reports.registry import NUMBERS, ReportTable

TABLE = ReportTable(
    "results",
    "the main metric of every pair",
    "vlmbench.reports.builders.results:requested_results",
    NUMBERS,
    needs_records=True,
    place=1,
)
