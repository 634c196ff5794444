"""Describes the table of ``vlmbench report datasets``: the survey's Table 2, evaluation datasets."""

from vlmbench.reports.registry import ReportTable

TABLE = ReportTable(
    "datasets",
    "the survey's Table 2: evaluation datasets",
    "vlmbench.reports.builders.survey_lists:datasets_table",
    frozenset({"tasks"}),
    place=7,
)
