"""Makes the table of ``vlmbench report model``: all measured numbers of one model beside its published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlmbench.errors import UnknownNameError
from vlmbench.records import Failure, Summary
from vlmbench.registry import did_you_mean
from vlmbench.reports.cells import Label, Score
from vlmbench.reports.facts import FACTS, ModelFacts
from vlmbench.reports.published import Published
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.scores import (
    failed_datum,
    failed_run,
    failed_score,
    measured_datum,
    measured_score,
    published_datum,
    published_score,
)
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged

COLUMNS = (
    Column("task", repeats=True),
    Column("kind", spare=3),
    Column("metric", repeats=True),
    Column("measured", "right", strong=True),
    Column("published", "right"),
    Column("difference", "right"),
)


def model_table(request: TableRequest) -> Table:
    """One row for each task and metric of one model: main metrics, and other metrics that have a published number.

    Raises:
        UnknownNameError: no record, failure, card or published number has this name.
    """
    name, entries, view = request.name, request.entries, request.view
    numbers = request.published()
    records = [record for record in entries.records if record.model.name == name and view.wants_task(record.task.name)]
    failures = [failure for failure in entries.failures if failure.model == name and view.wants_task(failure.task)]
    found = [
        number
        for number in numbers
        if number.model == name
        and view.published != "none"
        and view.wants_task(number.task)
        and (view.flagged or not number.flag)
    ]
    card = request.facts.card(name)
    if not (records or failures or found or card):
        known = [r.model.name for r in entries.records] + [number.model for number in numbers]
        raise UnknownNameError(f"nothing is known about a model {name!r}", hint=did_you_mean(name, known) or None)
    rows = [row for record in records for row in _record_rows(record, found, view)]
    answered = {(record.task.name, metric) for record in records for metric in record.metrics}
    rows += [
        _published_row(number, None, None, view) for number in found if (number.task, number.metric) not in answered
    ]
    rows += [_failure_row(failure) for failure in failures]
    title = f"{name}: {card.title}" if card and card.title else name
    unfilled = {
        *({"measured", "difference"} if not (records or failures) else ()),
        *({"published", "difference"} if not found else ()),
    }
    return arranged(
        Draft(
            title=title,
            columns=COLUMNS,
            rows=rows,
            hidden=frozenset(unfilled),
            notes=_known(name, records, request.facts),
            left_out=entries.left_out,
        ),
        view,
    )


def _record_rows(record: Summary, numbers: Sequence[Published], view: TableView) -> list[TableRow]:
    """Rows of the main metric and of other metrics with published numbers, and one row for each published number."""
    rows = []
    for metric in record.metrics:
        same = [number for number in numbers if (number.task, number.metric) == (record.task.name, metric)]
        rows += [_published_row(number, record, metric, view) for number in same]
        if not same and metric == record.main_metric:
            rows.append(
                TableRow(
                    cells=[
                        Label(record.task.name),
                        record.task.plugin,
                        metric,
                        measured_score(record, metric, view),
                        Score(None),
                        "",
                    ],
                    data=[measured_datum(record, metric)],
                )
            )
    return rows


def _published_row(number: Published, record: Summary | None, metric: str | None, view: TableView) -> TableRow:
    published = published_score(number, view)
    source = ", ".join(filter(None, (number.source, number.variant.get("image_encoder", ""))))
    published = replace(published, notes=(source, *published.notes))
    measured = measured_score(record, metric, view) if record is not None and metric is not None else Score(None)
    return TableRow(
        cells=[
            Label(number.task),
            record.task.plugin if record is not None else "",
            number.metric,
            measured,
            published,
            _difference(measured, published, view),
        ],
        data=[
            *([measured_datum(record, metric)] if record is not None and metric is not None else []),
            published_datum(number),
        ],
    )


def _difference(measured: Score, published: Score, view: TableView) -> Score | str:
    """Measured minus published, in points, with the interval of the measured number; "" if they are not comparable."""
    if measured.value is None or published.value is None or not (measured.comparable and published.comparable):
        return ""
    interval = measured.interval and tuple(end - published.value for end in measured.interval)
    return Score(
        measured.value - published.value,
        interval=(interval[0], interval[1]) if interval else None,
        digits=view.digits,
        spread_shown=False,
        signed=True,
    )


def _failure_row(failure: Failure) -> TableRow:
    return TableRow(
        cells=[
            Label(failure.task),
            "",
            "",
            failed_score(failure, notes=(failed_run(failure),)),
            Score(None),
            "",
        ],
        data=[failed_datum(failure)],
    )


def _known(name: str, records: Sequence[Summary], facts: ModelFacts) -> list[str]:
    """The known facts of the model in one line."""
    info = records[0].model if records else None
    texts = zip(FACTS, facts.row(name, variant={}, info=info), strict=True)
    said = [f"{heading}: {text}" for heading, text in texts if text not in ("", "–")]
    return [" · ".join(said)] if said else []
