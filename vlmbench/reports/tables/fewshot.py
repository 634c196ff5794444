"""Describes the table of ``vlmbench report fewshot``: adapted models, a row for each method and a column for each K."""

from vlmbench.reports.registry import NUMBERS, ReportTable

TABLE = ReportTable(
    "fewshot",
    "adapted models: each method with its few-shot curve, and published numbers of the same dataset",
    "vlmbench.reports.builders.fewshot:fewshot_table",
    NUMBERS | {"against", "curve"},
    needs_records=True,
    place=16,
    adapted=True,
)
