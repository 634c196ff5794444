"""A table of agreements alone."""

from __future__ import annotations

from vlmbench.reports.registry import ReportTable, TableRequest
from vlmbench.reports.table_data import Column, Table


def make(request: TableRequest) -> Table:
    records = [record for record in request.entries.records if record.task.plugin == "agreement"]
    rows = [[record.model.name, f"{100 * (record.metrics['agreement'].value or 0):.0f}"] for record in records]
    data = [{"model": record.model.name, "agreement": record.metrics["agreement"].value} for record in records]
    return Table("Agreements", [Column("model"), Column("agreement", "right")], rows, data)


TABLE = ReportTable("agreements", "who agrees", make, frozenset(), needs_records=True)
