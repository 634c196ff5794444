"""Models in the order of one task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import NUMBERS, ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.one_task import task_table
    from vlmbench.reports.published import published

    return task_table(request.name, request.entries, published(), request.view, request.facts, request.store)


TABLE = ReportTable(
    "task",
    "models in the order of one task",
    _make,
    (NUMBERS | {"paired"}) - {"tasks"},
    takes_name="needed",
    place=6,
)
