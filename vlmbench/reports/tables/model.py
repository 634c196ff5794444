"""Describes the table of ``vlmbench report model``: everything about one model."""

from vlmbench.reports.registry import NUMBERS, ReportTable

TABLE = ReportTable(
    "model",
    "all that is known of one model",
    "vlmbench.reports.builders.one_model:model_table",
    NUMBERS - {"models"},
    takes_name="needed",
    place=5,
)
