"""Makes the ``results`` table, one row for each pair, and the ``metrics`` table, one row for each metric of a pair.

``vlmbench run`` and ``baseline show`` print the first, and ``vlmbench report`` prints both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vlmbench.errors import LONGEST_IN_TABLE
from vlmbench.records import Failure, Summary
from vlmbench.reports.cells import DASH, Label, Score, plain
from vlmbench.reports.entries import Entries, gather, origin
from vlmbench.reports.published import Published
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.scores import (
    failed_datum,
    failed_run,
    failed_score,
    interval_text,
    measured_datum,
    measured_score,
    published_datum,
    published_score,
    remarks_on,
    value_text,
)
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged
from vlmbench.store import Unreadable
from vlmbench.wording import counted, speed_text

COLUMNS = (
    Column("model", heads=True),
    Column("task"),
    Column("metric"),
    Column("score %", "right", strong=True),
    Column("95% interval", "right"),
    Column("chance", "right", spare=1),
    Column("n", "right", spare=2),
    Column("images/s", "right", spare=3),
    Column("remarks"),
)


def results_table(
    entries: Iterable[Summary | Failure | Unreadable] | Entries,
    *,
    title: str = "Results",
    all_metrics: bool = False,
    published: Iterable[Published] = (),
    view: TableView | None = None,
) -> Table:
    """One row for each pair, or one row for each metric of it. A failed pair has the word "failed", never a zero.

    Raises:
        UsageError: the view names a column that the table does not have.
    """
    view = view or TableView()
    known = entries if isinstance(entries, Entries) else gather(entries)
    rows = []
    for record in known.records:
        if view.wants_model(*record.model.names) and view.wants_task(record.task.name):
            names = record.metrics if all_metrics else [record.main_metric]
            rows += [_record_row(record, name, view, with_speed=not all_metrics) for name in names]
    for failure in known.failures:
        if view.wants_model(failure.model) and view.wants_task(failure.task):
            rows.append(_failure_row(failure))
    if not view.sort:  # failures were added behind all records
        rows = _by_model(rows)
    for found in published:
        if view.wants_model(found.model) and view.wants_task(found.task) and (view.flagged or not found.flag):
            rows.append(_published_row(found, view))
    mixed = any(isinstance(cell := row.cells[3], Score) and cell.unit != "fraction" for row in rows)
    columns = [replace(column, name="score") if mixed and column.strong else column for column in COLUMNS]
    hidden = frozenset() if view.intervals else frozenset({"95% interval"})
    notes = _resolution(known.records, view)
    return arranged(Draft(title, columns, rows, hidden=hidden, notes=notes, left_out=known.left_out), view)


def _by_model(rows: list[TableRow]) -> list[TableRow]:
    """The rows of each model together, in the order in which the models first appear."""
    models: dict[str, list[TableRow]] = {}
    for row in rows:
        models.setdefault(plain(row.cells[0]), []).append(row)
    return [row for own in models.values() for row in own]


def requested_results(request: TableRequest, *, title: str = "Results", all_metrics: bool = False) -> Table:
    """The table of the command line. It has published numbers only with ``--published all``."""
    numbers = request.published() if request.view.published == "all" else []
    return results_table(request.entries, title=title, all_metrics=all_metrics, published=numbers, view=request.view)


def requested_metrics(request: TableRequest) -> Table:
    """The same table with every metric."""
    return requested_results(request, title="Every metric", all_metrics=True)


def _resolution(records: Iterable[Summary], view: TableView) -> list[str]:
    """How precise the smallest subset among the records is; nothing if no record is of a subset."""
    sizes = {
        record.task.dataset.samples
        for record in records
        if record.run.limit is not None and view.wants_model(*record.model.names) and view.wants_task(record.task.name)
    }
    if not sizes:
        return []
    smallest = f"subset of {counted(min(sizes), 'sample')}"
    from vlmbench.metrics.resolution import resolution_text  # imports NumPy, which few results need

    return [f"{smallest if len(sizes) == 1 else f'smallest {smallest}'}: {resolution_text(min(sizes))}"]


def _record_row(record: Summary, name: str, view: TableView, *, with_speed: bool) -> TableRow:
    metric = record.metrics[name]
    return TableRow(
        cells=[
            Label(record.model.name, origin=origin(record)),
            record.task.name,
            name + ("" if metric.higher_is_better else " ↓"),
            replace(measured_score(record, name, view), notes=(), spread_shown=False),
            interval_text(metric, view.digits),
            value_text(metric.chance, metric),
            f"{metric.n:,}",
            _speed(record) if with_speed else "",
            remarks_on(record, name),
        ],
        data=[measured_datum(record, name)],
    )


def _failure_row(failure: Failure) -> TableRow:
    return TableRow(
        cells=[
            Label(failure.model, origin="measured"),
            failure.task,
            DASH,
            failed_score(failure),
            *[""] * 4,
            failed_run(failure, most=LONGEST_IN_TABLE),
        ],
        data=[failed_datum(failure)],
    )


def _published_row(found: Published, view: TableView) -> TableRow:
    score = published_score(found, view)
    variant = ", ".join(found.variant.values())
    said = "; ".join(filter(None, (variant, found.source)))
    return TableRow(
        cells=[Label(found.model, origin="published"), found.task, found.metric, score, DASH, DASH, "", "", said],
        data=[published_datum(found)],
    )


def _speed(record: Summary) -> str:
    """Images a second; "cached" if images came from the cache, a dash if it is unknown, as in an imported record."""
    speed = record.run.images_per_second
    if speed is not None:
        return speed_text(speed)
    return "cached" if record.run.cache.image_hits else DASH
