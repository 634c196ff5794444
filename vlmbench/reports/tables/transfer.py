"""Describes the table of ``vlmbench report transfer``: the survey's Table 9, transfer learning.

The survey is Zhang et al., arXiv 2304.00685.
"""

from vlmbench.reports.registry import NUMBERS, ReportTable

TABLE = ReportTable(
    "transfer",
    "the survey's Table 9: transfer learning, and adapted models beside it",
    "vlmbench.reports.builders.survey_transfer:transfer_table",
    NUMBERS,
    place=12,
    adapted=True,
)
