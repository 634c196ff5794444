"""Describes the table of ``vlmbench report methods``: the survey's Tables 3 to 5, which list methods.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.registry import ReportTable

TABLE = ReportTable(
    "methods",
    "the survey's Tables 3 to 5: methods of pre-training, transfer or distillation",
    "vlmbench.reports.builders.survey_lists:methods_table",
    frozenset({"models"}),
    takes_name="possible",
    place=8,
)
