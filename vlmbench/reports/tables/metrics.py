"""Every metric of every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import NUMBERS, ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.results import requested_results

    return requested_results(request, title="Every metric", all_metrics=True)


TABLE = ReportTable("metrics", "every metric of every pair", _make, NUMBERS, needs_records=True, place=2)
