"""Turns numbers of records and papers into cells of tables, and into plain values for CSV and JSON.

Every builder of a table uses it, and the leaderboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlmbench.asked import remarks_of
from vlmbench.errors import first_line
from vlmbench.markup import one_line
from vlmbench.record_parts.transfer import TransferQuestion
from vlmbench.records import Failure, MetricValue, Summary
from vlmbench.remarks.base import Remark
from vlmbench.remarks.codes import NO_VALUE
from vlmbench.reports.aggregates import Answer
from vlmbench.reports.cells import DASH, Score, Unit, number
from vlmbench.reports.entries import origin

if TYPE_CHECKING:
    from vlmbench.reports.published import Published
    from vlmbench.reports.table_view import TableView


_MINUTES = len("2026-01-01T00:00")
ZERO_SHOT = "w/o Transfer"
"""The survey's name for a model that was not trained further. Any other setup is another question."""


def measured_score(record: Summary, name: str, view: TableView, *, remarks: Sequence[Remark] | None = None) -> Score:
    """A record's metric as a cell.

    Args:
        record: the record.
        name: the name of one of its metrics.
        view: how numbers are shown.
        remarks: the remarks that become footnotes; None: all remarks of the record. A missing value or interval gets a
            footnote in any case, and remarks that exclude the record from rankings always do so.
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
    """Whether a remark concerns this metric. A missing main value does not concern the other metrics."""
    return remark.code != NO_VALUE.name or name == record.main_metric


def remarks_on(record: Summary, name: str) -> str:
    """What a reader must know about one metric of a record, in a few words."""
    metric = record.metrics[name]
    said = [remark.brief for remark in remarks_of(record) if concerns(remark, record, name)]
    said += [lacking(metric), "not above chance" if not_above_chance(metric) else ""]
    return ", ".join(dict.fromkeys(filter(None, said)))


def lacking(metric: MetricValue) -> str:
    """Why a metric has no value or interval, in a few words; "" if it has both, or if an older record does not say."""
    if metric.value is None:
        return f"no value: {metric.reason or 'the record does not say why'}"
    return f"no interval: {metric.reason}" if metric.ci95 is None and metric.reason else ""


def answer_of(record: Summary) -> Answer | None:
    """A record's main metric, for comparing models; None if it has no value."""
    main = record.main
    if main.value is None:
        return None
    return Answer(
        main.value, main.ci95, main.higher_is_better, averaged=main.unit == "fraction" and main.higher_is_better
    )


def published_score(found: Published, view: TableView) -> Score:
    """A paper's number as a cell. A flagged number is not comparable; a transferred model answers another question."""
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
    """Why a pair gave no number, in one line; the error's class if it has no message.

    Args:
        most: the most letters, for a table's cell. Its row already names model and task, so the message does not.
    """
    message = failure.message
    if most is not None:
        message = message.removeprefix(f"{failure.model} cannot be asked {failure.task}: ")
        if failure.error == "StrictError":  # the lines above the table have the remarks
            message = message.partition(": ")[0]
    return first_line(message, most=most) or failure.error


def failed_run(failure: Failure, *, most: int | None = None) -> str:
    """Why a pair gave no number, how the model should have been adapted, and which run it failed in.

    A folder may hold runs of several days.

    Args:
        most: see :func:`reason`.
    """
    started = one_line(failure.started[:_MINUTES].replace("T", " "), _MINUTES)
    adapted = f"{failure.transfer.brief}: " if failure.transfer else ""
    return f"{adapted}{reason(failure, most=most)} (run of {started})"


def failed_datum(failure: Failure) -> dict[str, object]:
    """A pair that gave no number, as plain values."""
    return {
        "model": failure.model,
        "task": failure.task,
        "status": failure.status,
        "reason": failure.message or failure.error,
        "started": failure.started,
        **_adapted_datum(failure.transfer),
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
        **_adapted_datum(record.transfer),
        **({"reason": metric.reason} if metric.reason else {}),
        **({"source": record.imported.file} if record.imported else {}),
    }


def _adapted_datum(how: TransferQuestion | None) -> dict[str, object]:
    """How the model was adapted, as plain values; nothing for zero-shot."""
    if how is None:
        return {}
    said = {"transfer": how.method, "shots": how.shots, "draw": how.draw, "track": how.track, "setting": how.setting}
    return {**said, "learnt_from": how.source}


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
    """A metric's value with its unit, for use outside of a table; a dash without a value."""
    shown = value_text(metric.value, metric)
    return f"{shown}%" if metric.unit == "fraction" and metric.value is not None else shown


def value_text(value: float | None, metric: MetricValue) -> str:
    """A value in its metric's unit: percent, or "rank 3.0"."""
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
