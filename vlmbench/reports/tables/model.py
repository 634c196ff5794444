"""Everything about one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import NUMBERS, ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.one_model import model_table
    from vlmbench.reports.published import published

    return model_table(request.name, request.entries, published(), request.view, request.facts)


TABLE = ReportTable(
    "model", "all that is known of one model", _make, NUMBERS - {"models"}, takes_name="needed", place=5
)
