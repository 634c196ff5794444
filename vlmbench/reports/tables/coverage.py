"""Of all pairs of some models and tasks, which were run."""

from vlmbench.reports.registry import ReportTable

TABLE = ReportTable(
    "coverage",
    "what was run, what failed, what is missing",
    "vlmbench.reports.builders.coverage:coverage_table",
    frozenset({"models", "tasks"}),
    needs_records=True,
    place=4,
)
