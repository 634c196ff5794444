"""Describes the table of ``vlmbench report fewshot``: adapted models, a row for each method and a column for each K."""

from vlmbench.reports.registry import MEASURED, ReportTable

TABLE = ReportTable(
    "fewshot",
    "adapted models: each method with its few-shot curve",
    "vlmbench.reports.builders.fewshot:fewshot_table",
    MEASURED,
    needs_records=True,
    place=16,
    adapted=True,
)
