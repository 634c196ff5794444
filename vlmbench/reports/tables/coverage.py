"""Of all pairs of some models and tasks, which were run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.coverage import coverage_table

    return coverage_table(request.entries, request.view, models=request.models, tasks=request.tasks)


TABLE = ReportTable(
    "coverage",
    "what was run, what failed, what is missing",
    _make,
    frozenset({"models", "tasks"}),
    needs_records=True,
    place=4,
)
