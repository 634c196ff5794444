"""Numbers of records and of papers as cells, and as plain values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlmbench.asked import remarks_of
from vlmbench.errors import first_line
from vlmbench.records import Failure, MetricValue, Summary
from vlmbench.remarks.base import Remark
from vlmbench.remarks.codes import NO_VALUE
from vlmbench.reports.aggregates import Answer
from vlmbench.reports.cells import DASH, Score, Unit, number
from vlmbench.reports.entries import origin

if TYPE_CHECKING:
    from vlmbench.reports.published import Published
    from vlmbench.reports.table_view import TableView


ZERO_SHOT = "w/o Transfer"
"""How the survey names the setup of a model that was not trained further; any other is another question."""


def measured_score(record: Summary, name: str, view: TableView, *, remarks: Sequence[Remark] | None = None) -> Score:
    """A record's metric as a cell.

    Args:
        record: whose.
        name: the metric, which it has.
        view: how numbers are shown.
        remarks: what becomes footnotes, beside why a value or interval is lacking; None: all that there is to say.
            Those that differ from the card's question make the number incomparable either way.
    """
    metric = record.metrics[name]
    every = remarks_of(record)
    said = [remark for remark in (every if remarks is None else remarks) if concerns(remark, record, name)]
    notes = [*(remark.brief for remark in said), lacking(metric)]
    return Score(
        value=metric.value,
        interval=metric.ci95,
        origin=origin(record),
        unit=metric.unit,
        notes=tuple(dict.fromkeys(filter(None, notes))),
        comparable=not any(remark.unranked for remark in every),
        higher_is_better=metric.higher_is_better,
        digits=view.digits,
        spread_shown=view.intervals,
    )


def concerns(remark: Remark, record: Summary, name: str) -> bool:
    """Whether a remark has to do with this metric: that the main one has no value says nothing of the others."""
    return remark.code != NO_VALUE.name or name == record.main_metric


def remarks_on(record: Summary, name: str) -> str:
    """What a reader must know beside one of a record's numbers, or instead of it, in a few words."""
    metric = record.metrics[name]
    said = [remark.brief for remark in remarks_of(record) if concerns(remark, record, name)]
    said += [lacking(metric), "not above chance" if not_above_chance(metric) else ""]
    return ", ".join(dict.fromkeys(filter(None, said)))


def lacking(metric: MetricValue) -> str:
    """Why a metric has no value, or no interval, in a few words; "" if it has both, or an older record does not say."""
    if metric.value is None:
        return f"no value: {metric.reason or 'the record does not say why'}"
    return f"no interval: {metric.reason}" if metric.ci95 is None and metric.reason else ""


def answer_of(record: Summary) -> Answer | None:
    """A record's main metric for comparing models; None where it has no value."""
    main = record.main
    if main.value is None:
        return None
    return Answer(
        main.value, main.ci95, main.higher_is_better, averaged=main.unit == "fraction" and main.higher_is_better
    )


def published_score(found: Published, view: TableView) -> Score:
    """A paper's number as a cell; a flagged one is not comparable, a transferred model's answers another question."""
    return Score(
        value=found.value,
        origin="published",
        source=found.source,
        notes=tuple(filter(None, (found.flag, found.note))),
        question=found.variant.get("setup", ""),
        comparable=not found.flag,
        digits=view.digits,
        spread_shown=view.intervals,
    )


def failed_score(failure: Failure, *, notes: tuple[str, ...] = ()) -> Score:
    """A cell for a pair that gave no number."""
    return Score(None, status=failure.status, notes=notes)


def reason(failure: Failure, *, most: int | None = None) -> str:
    """Why a pair gave no number, in one line; an error without words is named by its kind.

    Args:
        most: letters, in a table's cell, whose row says already which model and task it is.
    """
    message = failure.message
    if most is not None:
        message = message.removeprefix(f"{failure.model} cannot be asked {failure.task}: ")
        if failure.error == "StrictError":  # the lines above the table have the remarks
            message = message.partition(": ")[0]
    return first_line(message, most=most) or failure.error


def failed_datum(failure: Failure) -> dict[str, object]:
    """A pair that gave no number, as plain values."""
    return {
        "model": failure.model,
        "task": failure.task,
        "status": failure.status,
        "reason": failure.message or failure.error,
    }


def measured_datum(record: Summary, name: str) -> dict[str, object]:
    """A record's metric as plain values."""
    metric = record.metrics[name]
    low, high = metric.ci95 or (None, None)
    said = remarks_of(record)
    return {
        "model": record.model.name,
        "task": record.task.name,
        "status": "done",
        "metric": name,
        "value": metric.value,
        "ci95_low": low,
        "ci95_high": high,
        "chance": metric.chance,
        "n": metric.n,
        "higher_is_better": metric.higher_is_better,
        "unit": metric.unit,
        "main": name == record.main_metric,
        "origin": origin(record),
        "precision": record.run.precision,
        "limit": record.run.limit,
        "bad_samples": len(record.bad_samples),
        "images_per_second": record.run.images_per_second,
        "started": record.run.started,
        "run_id": record.id,
        "weights_sha256": record.model.weights_sha256,
        "remarks": ", ".join(dict.fromkeys(remark.brief for remark in said)),
        "remark_codes": " ".join(dict.fromkeys(remark.code for remark in said)),
        **({"reason": metric.reason} if metric.reason else {}),
        **({"source": record.imported.file} if record.imported else {}),
    }


def published_datum(found: Published) -> dict[str, object]:
    """A paper's number as plain values."""
    return {
        "model": found.model,
        "task": found.task,
        "status": "done",
        "metric": found.metric,
        "value": found.value,
        "origin": "published",
        "source": found.source,
        "table": found.table,
        "note": found.note,
        "flag": found.flag,
        **found.variant,
    }


def score_text(metric: MetricValue) -> str:
    """A metric's value with its unit, as it reads outside of a table; a dash alone where there is none."""
    shown = value_text(metric.value, metric)
    return f"{shown}%" if metric.unit == "fraction" and metric.value is not None else shown


def value_text(value: float | None, metric: MetricValue) -> str:
    """A value in its metric's unit: percent, or a rank, which says that it is one."""
    return DASH if value is None else number(value, metric.unit)


def interval_text(metric: MetricValue, digits: int = 1) -> str:
    """A metric's 95% interval, in percent or ranks."""
    if metric.ci95 is None:
        return DASH
    unit: Unit = "fraction" if metric.unit == "fraction" else "points"
    low, high = (number(end, unit, digits) for end in metric.ci95)
    return f"{low} to {high}"


def not_above_chance(metric: MetricValue) -> bool:
    """Whether random answers could have done as well: the interval reaches the chance level."""
    if metric.chance is None or metric.ci95 is None:
        return False
    low, high = metric.ci95
    return low <= metric.chance if metric.higher_is_better else high >= metric.chance
