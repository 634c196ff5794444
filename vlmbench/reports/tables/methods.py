"""The survey's Tables 3 to 5: methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.survey_lists import methods_table
    from vlmbench.reports.published import survey_methods

    return methods_table(survey_methods(), request.facts, request.view, request.name)


TABLE = ReportTable(
    "methods",
    "the survey's Tables 3 to 5: methods; of pre-training, transfer or distillation",
    _make,
    frozenset({"models"}),
    takes_name="possible",
    place=8,
)
