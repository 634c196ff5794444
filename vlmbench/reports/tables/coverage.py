"""Describes the table of ``vlmbench report coverage``: which pairs were run, failed, or are missing."""

from vlmbench.reports.registry import ReportTable

TABLE = ReportTable(
    "coverage",
    "what was run, what failed, what is missing",
    "vlmbench.reports.builders.coverage:coverage_table",
    frozenset({"models", "tasks"}),
    needs_records=True,
    place=4,
)
