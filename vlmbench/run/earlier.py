"""Finds the records of earlier runs that may answer a pair, before its model is loaded. The driver of a run uses it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmbench.asked import knows_remarks
from vlmbench.card_files import GIVEN_ANSWERS
from vlmbench.cards import ModelCard
from vlmbench.data.base import READING_RULES
from vlmbench.records import Record
from vlmbench.remarks.codes import is_strict
from vlmbench.run.assemble import described
from vlmbench.run.identity import task_version
from vlmbench.run.job import EarlierRecord
from vlmbench.run.opened import OpenedTask
from vlmbench.run.plan import RunRequest
from vlmbench.run.stores import RecordStore
from vlmbench.transfer.asked import transfer_key


def _would_fail(record: Record) -> bool:
    """Whether ``--strict`` must ask again: the record lacks remarks, or has a strict one whose cause may be gone."""
    return not knows_remarks(record) or any(map(is_strict, record.remarks))


@dataclass(frozen=True)
class _Known:
    """The facts about a record on disk by which a run decides whether it may answer a pair.

    Attributes:
        would_fail: whether ``--strict`` must ask again.
        card: what the card beside the answers said, if they were made elsewhere.
    """

    earlier: EarlierRecord
    version: str
    reading_rules: int
    precision: str
    seed: int
    would_fail: bool
    card: Mapping[str, Any]

    @classmethod
    def of(cls, record: Record) -> _Known:
        """The facts about this record."""
        task, run = record.task, record.run
        return cls(
            earlier=EarlierRecord.of(record),
            version=task.version,
            reading_rules=task.dataset.reading_rules,
            precision=run.precision,
            seed=run.seed,
            would_fail=_would_fail(record),
            card=record.model.card,
        )


@dataclass(frozen=True)
class _PairRecords:
    """The records of one pair of a model and a task that were read.

    Attributes:
        ids: their run ids.
        by_transfer: the facts about them, by how the model was adapted.
    """

    ids: set[str] = field(default_factory=set)
    by_transfer: dict[Hashable, list[_Known]] = field(default_factory=dict)


@dataclass(frozen=True)
class EarlierRecords:
    """The records in a run's store. Each is read once: a pair may have thousands, one for each method and draw."""

    request: RunRequest
    store: RecordStore
    _read: dict[tuple[str, str], _PairRecords] = field(default_factory=dict, init=False)

    def of(self, model: ModelCard, task: OpenedTask) -> Iterator[EarlierRecord]:
        """The records that may answer a pair, with those that other runs have written meanwhile.

        The record with the fewest left-out samples comes first.
        """
        pair = model.name, task.card.name
        known = self._read.setdefault(pair, _PairRecords())
        for record in self.store.pair_records(*pair, known=known.ids):
            known.ids.add(record.id)
            known.by_transfer.setdefault(transfer_key(record.task.protocol), []).append(_Known.of(record))
        found = known.by_transfer.get(transfer_key(task.options.transfer.protocol), ())
        for each in sorted(found, key=lambda each: len(each.earlier.bad_samples)):
            if self._may_answer(each, model, task):
                yield each.earlier

    def _may_answer(self, known: _Known, model: ModelCard, task: OpenedTask) -> bool:
        """Whether a record fits everything that is known without model and data. It avoids reading data for nothing."""
        return (
            known.version == task_version(task.card, task.plugin)
            and known.reading_rules == READING_RULES
            and not (self.request.strict and known.would_fail)
            and known.precision == self.request.precision
            and known.seed == task.options.seed
            and (model.adapter != GIVEN_ANSWERS or known.card == described(model))
        )
