"""Describes the table of ``vlmbench report datasets``: the survey's Table 2, evaluation datasets.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.registry import ReportTable

TABLE = ReportTable(
    "datasets",
    "the survey's Table 2: evaluation datasets",
    "vlmbench.reports.builders.survey_lists:datasets_table",
    frozenset({"tasks"}),
    place=7,
)
