"""The survey's Table 2: datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.reports.registry import ReportTable, TableRequest

if TYPE_CHECKING:
    from vlmbench.reports.table_data import Table


def _make(request: TableRequest) -> Table:
    from vlmbench.reports.builders.survey_lists import datasets_table
    from vlmbench.reports.published import survey_datasets

    return datasets_table(survey_datasets(), request.entries, request.view)


TABLE = ReportTable("datasets", "the survey's Table 2: evaluation datasets", _make, frozenset({"tasks"}), place=7)
