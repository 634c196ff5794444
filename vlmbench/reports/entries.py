"""What a results folder holds, sorted out: the newest record of each question, failures, and what is no record."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vlmbench.records import Failure, Summary
from vlmbench.reports.cells import Origin
from vlmbench.store import Unreadable

SummaryT = TypeVar("SummaryT", bound=Summary)


@dataclass(frozen=True)
class Entries:
    """The content of a results folder.

    Attributes:
        records: the newest of each question.
        failures: the last of each pair that has no later record.
        left_out: why files were skipped.
    """

    records: Sequence[Summary] = ()
    failures: Sequence[Failure] = ()
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class Remark:
    """What a reader must know beside a number.

    Attributes:
        text: in a few words.
        differs: the question is another one than the card's, so the number is not to be ranked with its answers.
        everywhere: it holds for a whole run rather than for one task.
    """

    text: str
    differs: bool
    everywhere: bool


def gather(entries: Iterable[Summary | Failure | Unreadable]) -> Entries:
    """Sort out what a store yields."""
    known = list(entries)
    sound, left_out = [], [f"left out: {entry.reason}" for entry in known if isinstance(entry, Unreadable)]
    for entry in known:
        if isinstance(entry, Summary):
            no_numbers = _no_numbers(entry)
            if no_numbers:
                name = f"record {entry.id} of {entry.model.name!r} and {entry.task.name!r}"
                left_out.append(f"left out: {name}: not finite: {', '.join(no_numbers)}")
            else:
                sound.append(entry)
    records = newest(sound)
    answered: dict[tuple[str, str], str] = {}
    for record in records:
        pair = (record.model.name, record.task.name)
        answered[pair] = max(answered.get(pair, ""), record.run.started)
    failed: dict[tuple[str, str], Failure] = {}
    for entry in known:
        if isinstance(entry, Failure) and entry.started > answered.get((entry.model, entry.task), ""):
            last = failed.setdefault((entry.model, entry.task), entry)
            failed[entry.model, entry.task] = max(last, entry, key=lambda failure: failure.started)
    return Entries(records, list(failed.values()), left_out)


def _no_numbers(record: Summary) -> list[str]:
    """Metrics that are NaN or infinite, which JSON files may hold and no run writes: they would win or tie anything."""
    return [
        name
        for name, metric in record.metrics.items()
        if not all(map(math.isfinite, (metric.value or 0.0, *(metric.ci95 or ()))))
    ]


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
            *sorted((role, data.fingerprint) for role, data in record.task.other_data.items()),
            record.run.precision,
            json.dumps(record.task.protocol, sort_keys=True, default=str),
        )
        if key not in latest or latest[key].run.started <= record.run.started:
            latest[key] = record
    return list(latest.values())


def differing(records: Iterable[Summary]) -> list[str]:
    """In what the questions of one task's records differ, although each is its card's own: samples, prompts, version.

    A card that was changed, or data that was, between two models' runs; imported records do not say.
    """
    asked = [record.task for record in records if record.imported is None]
    parts = {
        "samples": {task.dataset.fingerprint for task in asked},
        "prompts": {task.prompts_sha256 for task in asked},
        "version": {task.version for task in asked},
    }
    return [part for part, found in parts.items() if len(found) > 1]


def origin(record: Summary) -> Origin:
    """Whether a record was measured here, or read from another program's file."""
    return "measured" if record.imported is None else "imported"


def remarks(record: Summary) -> str:
    """What a reader must know beside the number, in a few words."""
    return ", ".join(remark.text for remark in remarks_of(record))


def remarks_of(record: Summary) -> list[Remark]:
    """The same, one by one."""
    said = _data_remarks(record)
    if record.imported is not None:
        said.append(Remark(f"imported from {record.imported.program}", differs=False, everywhere=True))
    elif record.run.precision != "fp32":
        said.append(Remark(record.run.precision, differs=False, everywhere=True))
    said += [Remark(f"{name}={value}", differs=True, everywhere=True) for name, value in record.run.settings.items()]
    if "readout" in record.task.protocol and "readout" not in record.run.settings and record.task.protocol["readout"]:
        said.append(Remark(f"readout {record.task.protocol['readout']}", differs=False, everywhere=True))
    if "transfer" in record.task.protocol:
        said.append(Remark(f"transfer {record.task.protocol['transfer']}", differs=True, everywhere=True))
    for part in ("class_names", "templates"):
        if record.task.protocol.get(f"{part}_from") == "option":
            said.append(Remark(f"own {part.replace('_', ' ')}", differs=True, everywhere=True))
    if record.bad_samples:
        said.append(Remark(f"{len(record.bad_samples)} bad left out", differs=True, everywhere=False))
    return said


def _data_remarks(record: Summary) -> list[Remark]:
    said = []
    data, limit = record.task.dataset, record.run.limit
    by_class = " by class" if record.run.drawn == "by class" else ""
    if data.standard_samples is not None and data.samples != data.standard_samples:
        text = f"{data.samples:,} of {data.standard_samples:,} samples{by_class}"
        said.append(Remark(text, differs=True, everywhere=False))
    elif limit is not None:
        said.append(Remark(f"subset of {data.samples:,}{by_class}", differs=True, everywhere=False))
    if limit is not None and record.run.seed:
        said.append(Remark(f"seed {record.run.seed}", differs=True, everywhere=True))
    return said
