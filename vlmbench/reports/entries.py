"""Sorts out a results folder: the newest record of each question, failures, and files that are not records.

Every table, the leaderboard, the exports and the data frames start from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vlmbench.asked import remarks_of
from vlmbench.records import Failure, Summary
from vlmbench.reports.cells import Origin
from vlmbench.reports.same_name import told_apart
from vlmbench.store import Unreadable

SummaryT = TypeVar("SummaryT", bound=Summary)


@dataclass(frozen=True)
class Entries:
    """The content of a results folder.

    Attributes:
        records: the newest record of each question.
        failures: the last failure of each pair that has no later record of the same kind: zero-shot, or adapted with
            the same method, shots, draw and track.
        left_out: why files were left out, one sentence a file.
    """

    records: Sequence[Summary] = ()
    failures: Sequence[Failure] = ()
    left_out: Sequence[str] = ()

    @property
    def zero_shot(self) -> Entries:
        """The same without records and failures of adapted models."""
        return replace(
            self,
            records=[record for record in self.records if not is_adapted(record)],
            failures=[failure for failure in self.failures if failure.transfer is None],
        )


def gather(entries: Iterable[Summary | Failure | Unreadable], *, every: bool = False) -> Entries:
    """Sort out what a store yields.

    Args:
        every: older answers to the same question, and failures that a later record has replaced, stay, too; names are
            as the records have them.
    """
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
    if every:
        return Entries(sound, [entry for entry in known if isinstance(entry, Failure)], left_out)
    records = newest(sound)
    answered: dict[tuple[str, str, bool], str] = {}
    for record in sound:
        asked = (record.model.name, record.asked, is_adapted(record))
        answered[asked] = max(answered.get(asked, ""), record.run.started)
    failed: dict[tuple[str, str, bool], Failure] = {}
    for entry in known:
        if isinstance(entry, Failure):
            asked = (entry.model, entry.asked, entry.transfer is not None)
            if entry.started > answered.get(asked, ""):
                failed[asked] = max(failed.get(asked, entry), entry, key=lambda failure: failure.started)
    return Entries(records, list(failed.values()), left_out)


def _no_numbers(record: Summary) -> list[str]:
    """Metrics that are NaN or infinite. No run writes them, but a file may hold them; they would spoil rankings."""
    return [
        name
        for name, metric in record.metrics.items()
        if not all(map(math.isfinite, (metric.value or 0.0, *(metric.ci95 or ()))))
    ]


def newest(records: Sequence[SummaryT]) -> list[SummaryT]:
    """The latest record of each model and question, in the order of first appearance.

    A question is a task with its data, prompts, protocol, limit and precision. Records of one model that answer
    different questions all stay. Of two records that answer the same question, the later stays. Several models with one
    name get different names, see :func:`~vlmbench.reports.same_name.told_apart`.
    """
    latest: dict[tuple[object, ...], SummaryT] = {}
    for record in records:
        key = (record.model.name, record.model.key, question(record))
        if key not in latest or latest[key].run.started <= record.run.started:
            latest[key] = record
    return told_apart(list(latest.values()), question)


def question(record: Summary) -> Hashable:
    """Everything that makes the question of a record, without the model."""
    return (
        record.task.name,
        record.task.version,
        record.task.prompts_sha256,
        record.task.dataset.fingerprint,
        *sorted((role, data.fingerprint) for role, data in record.task.other_data.items()),
        record.run.precision,
        json.dumps(record.task.protocol, sort_keys=True, default=str),
    )


def differing(records: Iterable[Summary]) -> list[str]:
    """What differs between the questions of one task's records: samples, prompts, version.

    They differ if the card or the data was changed between the runs. Imported records do not say, and are not compared.
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
    """The remarks that a reader must know beside the number, in a few words."""
    return ", ".join(dict.fromkeys(remark.brief for remark in remarks_of(record)))


def is_adapted(record: Summary) -> bool:
    """Whether a transfer method adapted the model before it answered."""
    return "transfer" in record.task.protocol or record.transfer is not None


def is_unranked(record: Summary) -> bool:
    """Whether a remark excludes the record's numbers from rankings."""
    return any(remark.unranked for remark in remarks_of(record))
