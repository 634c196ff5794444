"""The ``results`` table: what every record holds, one row a (model, task) pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from vlmbench.records import Failure, MetricValue, Summary
from vlmbench.reports.table import Column, Table
from vlmbench.store import Unreadable

COLUMNS = (
    Column("model"),
    Column("task"),
    Column("metric"),
    Column("score %", "right", strong=True),
    Column("95% interval", "right"),
    Column("chance", "right", spare=1),
    Column("n", "right", spare=2),
    Column("images/s", "right", spare=3),
    Column("remarks"),
)
DASH = "–"
SummaryT = TypeVar("SummaryT", bound=Summary)


def results_table(
    entries: Iterable[Summary | Failure | Unreadable], *, title: str = "Results", all_metrics: bool = False
) -> Table:
    """One row a pair, or a row a metric of it; failed pairs are shown as such, never as zeros.

    Args:
        entries: as a store yields them; of a pair's failures the last is shown, and none
            where the pair has a later record.
        title: the table's.
        all_metrics: every metric instead of the main one.
    """
    known = list(entries)
    records = newest([entry for entry in known if isinstance(entry, Summary)])
    answered: dict[tuple[str, str], str] = {}
    for record in records:
        pair = (record.model.name, record.task.name)
        answered[pair] = max(answered.get(pair, ""), record.run.started)
    failed: dict[tuple[str, str], Failure] = {}
    for entry in known:
        if isinstance(entry, Failure) and entry.started > answered.get((entry.model, entry.task), ""):
            last = failed.setdefault((entry.model, entry.task), entry)
            failed[entry.model, entry.task] = max(last, entry, key=lambda failure: failure.started)
    failures = list(failed.values())
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    for record in records:
        for name in record.metrics if all_metrics else [record.main_metric]:
            rows.append(_row(record, name, record.metrics[name], "" if all_metrics else _speed(record)))
            data.append(_datum(record, name, record.metrics[name]))
    for failure in failures:
        rows.append(
            [
                failure.model,
                failure.task,
                DASH,
                failure.status,
                *[""] * 4,
                failure.message.splitlines()[0].rstrip(":"),
            ]
        )
        data.append(
            {
                "model": failure.model,
                "task": failure.task,
                "status": failure.status,
                "reason": failure.message,
            }
        )
    notes = [f"left out: {e.reason}" for e in known if isinstance(e, Unreadable)]
    mixed = any(datum.get("unit", "fraction") != "fraction" for datum in data)
    columns = [replace(column, name="score") if mixed and column.strong else column for column in COLUMNS]
    return Table(title, columns, rows, data, notes)


def newest(records: Sequence[SummaryT]) -> list[SummaryT]:
    """The latest record of each pair and settings that change the question, in their order of appearance.

    Records of one pair differ in data, prompts, protocol, limit or precision: different questions, which all stay.
    Two records of the same question (another version of weights, say) leave the later one.
    """
    latest: dict[tuple[object, ...], SummaryT] = {}
    for record in records:
        key = (
            record.model.name,
            record.task.name,
            record.task.version,
            record.task.prompts_sha256,
            record.task.dataset.fingerprint,
            record.run.precision,
            json.dumps(record.task.protocol, sort_keys=True, default=str),
        )
        if key not in latest or latest[key].run.started <= record.run.started:
            latest[key] = record
    return list(latest.values())


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as percent, a dash where there is none."""
    return DASH if value is None else f"{100 * value:.{digits}f}"


def shown(value: float | None, metric: MetricValue) -> str:
    """A value in its metric's unit: percent, or a rank, which says that it is one."""
    if value is None or metric.unit == "fraction":
        return percent(value)
    return f"rank {value:,.1f}"


def score(metric: MetricValue) -> str:
    """A metric's value with its unit, as it reads outside of a table."""
    return f"{percent(metric.value)}%" if metric.unit == "fraction" else shown(metric.value, metric)


def interval(metric: MetricValue) -> str:
    """A metric's 95% interval, in percent or ranks."""
    if metric.ci95 is None:
        return DASH
    low, high = metric.ci95
    if metric.unit == "rank":
        return f"{low:,.1f} to {high:,.1f}"
    return f"{percent(low)} to {percent(high)}"


def not_above_chance(metric: MetricValue) -> bool:
    """Whether random answers could have done as well: the interval reaches the chance level."""
    if metric.chance is None or metric.ci95 is None:
        return False
    low, high = metric.ci95
    return low <= metric.chance if metric.higher_is_better else high >= metric.chance


def remarks(record: Summary) -> str:
    """What a reader must know beside the number, in a few words."""
    said = []
    data = record.task.dataset
    if data.standard_samples is not None and data.samples != data.standard_samples:
        said.append(f"{data.samples:,} of {data.standard_samples:,} samples")
    elif record.run.limit is not None:
        said.append(f"subset of {data.samples:,}")
    if record.run.limit is not None and record.run.seed:
        said.append(f"seed {record.run.seed}")
    if record.run.precision != "fp32":
        said.append(record.run.precision)
    said += [f"{name}={value}" for name, value in record.run.settings.items()]
    if "readout" in record.task.protocol and "readout" not in record.run.settings and record.task.protocol["readout"]:
        said.append(f"readout {record.task.protocol['readout']}")
    for part in ("class_names", "templates"):
        if record.task.protocol.get(f"{part}_from") == "option":
            said.append(f"own {part.replace('_', ' ')}")
    if record.bad_samples:
        said.append(f"{len(record.bad_samples)} bad left out")
    return ", ".join(said)


def _speed(record: Summary) -> str:
    speed = record.run.images_per_second
    return "cached" if speed is None else f"{speed:,.0f}"


def _row(record: Summary, name: str, metric: MetricValue, speed: str) -> list[str]:
    arrow = "" if metric.higher_is_better else " ↓"
    return [
        record.model.name,
        record.task.name,
        name + arrow,
        shown(metric.value, metric),
        interval(metric),
        shown(metric.chance, metric),
        f"{metric.n:,}",
        speed,
        ", ".join(filter(None, [remarks(record), "not above chance" if not_above_chance(metric) else ""])),
    ]


def _datum(record: Summary, name: str, metric: MetricValue) -> dict[str, object]:
    low, high = metric.ci95 or (None, None)
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
        "precision": record.run.precision,
        "limit": record.run.limit,
        "bad_samples": len(record.bad_samples),
        "images_per_second": record.run.images_per_second,
        "started": record.run.started,
        "run_id": record.id,
    }
