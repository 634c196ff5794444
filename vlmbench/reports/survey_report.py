"""One of the survey's tables as a table of ``vlmbench report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.builders.survey import SurveyTable
from vlmbench.reports.registry import NUMBERS, ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def survey_report(name: str, shows: str, survey: SurveyTable, *, place: int) -> ReportTable:
    """The report of one of these tables, with the models of a results folder."""

    def make(request: TableRequest) -> Table:
        from vlmbench.reports.builders.survey_results import survey_results_table
        from vlmbench.reports.published import published

        return survey_results_table(survey, request.entries, published(), request.view, request.facts)

    return ReportTable(name, shows, make, NUMBERS, place=place)
