"""Models over the tasks that all of them have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import MEASURED, ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.ranking import ranking_table

    return ranking_table(request.entries, request.view, request.facts, store=request.store, tasks=request.tasks)


TABLE = ReportTable(
    "ranking",
    "models over common tasks: mean, mean rank, Borda",
    _make,
    MEASURED | {"paired"},
    needs_records=True,
    place=3,
)
