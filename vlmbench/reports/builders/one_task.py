"""Makes the table of ``vlmbench report task``: models in the order of one task's main metric, with ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlmbench.errors import LONGEST_IN_TABLE, UnknownNameError, UsageError
from vlmbench.records import Failure, Summary
from vlmbench.registry import did_you_mean
from vlmbench.reports.aggregates import Errors, Place, places
from vlmbench.reports.cells import DASH, Label, Score
from vlmbench.reports.entries import differing, is_unranked, origin
from vlmbench.reports.facts import FACTS, ModelFacts, fact_columns
from vlmbench.reports.notes import said_once
from vlmbench.reports.paired_errors import paired_errors
from vlmbench.reports.published import Published
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.scores import (
    answer_of,
    failed_datum,
    failed_run,
    failed_score,
    interval_text,
    measured_datum,
    measured_score,
    published_datum,
    published_score,
    remarks_on,
)
from vlmbench.reports.table_data import Column, Table
from vlmbench.reports.table_view import Draft, TableRow, TableView, arranged

TIES = (
    "rank: 1–3 means that the data cannot tell models apart at 95%: by their difference on the same samples, or else "
    "by their intervals (without correction for many comparisons)"
)


def task_table(request: TableRequest) -> Table:
    """One row for each model, best first. Only records that answer the card's own question have a rank.

    Raises:
        UnknownNameError: no record, failure or published number is of this task.
        UsageError: the view leaves all of them out.
    """
    name, entries, view, facts = request.name, request.entries, request.view, request.facts
    numbers = request.published()
    records = [
        record for record in entries.records if record.task.name == name and view.wants_model(*record.model.names)
    ]
    failures = [failure for failure in entries.failures if failure.task == name and view.wants_model(failure.model)]
    metric = records[0].main_metric if records else next((n.metric for n in numbers if n.task == name), "")
    found = [number for number in numbers if _wanted(number, name, metric, records, view)]
    if not (records or failures or found):
        known = {answer.task.name for answer in entries.records} | {failure.task for failure in entries.failures}
        known |= {number.task for number in numbers}
        if name in known:
            raise UsageError(
                f"the options leave out all records, failures and published numbers of the task {name!r}",
                hint="Widen --models or --published, or leave out --no-flagged.",
            )
        raise UnknownNameError(
            f"the task {name!r} has no record, failure or published number", hint=did_you_mean(name, known) or None
        )
    ranked = [record for record in records if _ranked(record, metric)]
    errors = paired_errors(ranked, request.store) if view.paired and request.store is not None else {}
    ranks = ranking(ranked, errors)
    rows = [
        _record_row(record, metric, ranks.get(record.model.name) if record in ranked else None, view, facts)
        for record in records
        if metric in record.metrics
    ]
    scores, said = said_once([(number.table, published_score(number, view)) for number in found])
    rows += [_published_row(number, score, facts) for number, score in zip(found, scores, strict=True)]
    rows += [_failure_row(failure) for failure in failures]
    heading = f"{metric} %" if metric else "score"  # if all pairs failed, the metric is unknown
    columns = [
        Column("rank", "right"),
        Column("model", repeats=True),
        Column(heading, "right", strong=True),
        Column("95% interval", "right"),
        Column("n", "right", spare=2),
        *fact_columns(),
        Column("remarks", spare=1),
    ]
    draft = Draft(
        title=f"{name}: {metric}" if metric else name,
        columns=columns,
        rows=rows,
        hidden=frozenset(FACTS) | _unfilled(records, failures, view),
        ranked=frozenset({heading}),
        notes=[*_doubts(ranked, ranks, errors), *said],
        left_out=entries.left_out,
    )
    return arranged(draft, view if view.sort else replace(view, sort=heading))


def _unfilled(records: Sequence[Summary], failures: Sequence[Failure], view: TableView) -> frozenset[str]:
    """The columns to hide: those that only records fill if there are no records, and those that the view hides."""
    hidden = {"rank", "95% interval", "n"} if not records else set()
    return frozenset(
        hidden
        | ({"remarks"} if not (records or failures) else set())
        | ({"95% interval"} if not view.intervals else set())
    )


def _doubts(ranked: Sequence[Summary], ranks: Mapping[str, Place], errors: Errors) -> list[str]:
    """Notes that a reader needs to judge the order."""
    notes = [TIES] if any(place.tied for place in ranks.values()) else []
    differs = differing(ranked)
    if differs:
        notes.append(f"not the same {', '.join(differs)} for all models")
    alone = {record.model.name for record in ranked} - {name for pair in errors for name in pair}
    exact = [record.model.name for record in ranked if record.main.ci95 is None and record.model.name in alone]
    if exact and len(ranked) > 1:
        notes.append(f"number without an interval, which counts as exact: {', '.join(dict.fromkeys(exact))}")
    return notes


def ranking(records: Sequence[Summary], errors: Errors) -> Mapping[str, Place]:
    """Places of records of one task by their main metric. If a model has several records, the last counts."""
    return places(
        {record.model.name: answer for record in records if (answer := answer_of(record)) is not None}, errors
    )


def _ranked(record: Summary, metric: str) -> bool:
    """Whether a record answers the card's own question with this metric."""
    return record.main_metric == metric and record.main.value is not None and not is_unranked(record)


def _wanted(number: Published, name: str, metric: str, records: Sequence[Summary], view: TableView) -> bool:
    """Whether the table shows a published number: the survey's zero-shot numbers, those of models run, or all."""
    if (number.task, number.metric) != (name, metric) or view.published == "none":
        return False
    if number.flag and not view.flagged:
        return False
    run = {record.model.name for record in records}
    everyone = view.published == "all" or not records or number.table.startswith("survey")
    if view.published != "all" and "setup" in number.variant:
        return False
    return (everyone or number.model in run) and view.wants_model(number.model)


def _record_row(record: Summary, metric: str, place: Place | None, view: TableView, facts: ModelFacts) -> TableRow:
    value = record.metrics[metric]
    return TableRow(
        cells=[
            place.text if place else DASH,
            Label(record.model.name, origin=origin(record)),
            replace(measured_score(record, metric, view), notes=(), spread_shown=False),
            interval_text(value, view.digits),
            f"{value.n:,}",
            *facts.row(record.model.name, variant={}, info=record.model),
            remarks_on(record, metric),
        ],
        data=[
            {
                "rank_first": place.first if place else None,
                "rank_last": place.last if place else None,
                **measured_datum(record, metric),
            }
        ],
    )


def _published_row(number: Published, score: Score, facts: ModelFacts) -> TableRow:
    name = facts.title(number.model) if number.table.startswith("survey") else number.model
    return TableRow(
        cells=[
            DASH,
            Label(name, origin="published", notes=(number.source,)),
            score,
            DASH,
            "",
            *facts.row(number.model, variant=number.variant),
            "",
        ],
        data=[published_datum(number)],
    )


def _failure_row(failure: Failure) -> TableRow:
    return TableRow(
        cells=[
            DASH,
            Label(failure.model, origin="measured"),
            failed_score(failure),
            DASH,
            "",
            *[""] * len(FACTS),
            failed_run(failure, most=LONGEST_IN_TABLE),
        ],
        data=[failed_datum(failure)],
    )
