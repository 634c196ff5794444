"""Carries out a plan: an executor answers the jobs, and this driver writes records and failures.

``vlmbench run``, ``vlmbench demo`` and :func:`vlmbench.evaluate` call it.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vlmbench.asked import knows_remarks
from vlmbench.card_files import GIVEN_ANSWERS
from vlmbench.cards import ModelCard
from vlmbench.data.base import READING_RULES
from vlmbench.errors import PluginError
from vlmbench.features.saved_answers import check_answers_folder
from vlmbench.paths import safe_name
from vlmbench.records import Record
from vlmbench.remarks.codes import is_strict
from vlmbench.run.assemble import described
from vlmbench.run.executors import find_executor
from vlmbench.run.executors.base import Executor
from vlmbench.run.identity import plan_id, task_version
from vlmbench.run.job import EarlierRecord, Job
from vlmbench.run.listener import Listener, PairResult
from vlmbench.run.opened import OpenedTask
from vlmbench.run.pair import PairAnswer, answer_job, failed
from vlmbench.run.pictures import PictureDrawer, draws_nothing
from vlmbench.run.plan import Plan, RunRequest
from vlmbench.run.process_state import ProcessState
from vlmbench.run.stores import NoStore, RecordStore, open_store
from vlmbench.transfer.asked import transfer_key


def execute(plan: Plan, request: RunRequest, listener: Listener) -> list[PairResult]:
    """Run every pair of a plan. If a pair fails, its failure is written and the other pairs continue.

    Returns:
        One result for each pair, models first.

    Raises:
        UsageError: the device or the precision cannot be used.
        StoreError: results cannot be written.
        OutputError: answers cannot be saved.
    """
    store: RecordStore = open_store(request.results) if request.results is not None else NoStore()
    store.check_writable()
    if request.save_answers is not None:
        check_answers_folder(request.save_answers)
    executor = find_executor(request.executor)
    state = ProcessState(request.settings, listener, plan.tasks, plan.objects)
    for name, remark in plan.remarks:
        listener.remark(name, remark)
    driver = _Driver(plan, request, store, listener)
    results: dict[int, PairResult] = {}
    try:
        with (
            PictureDrawer(store, listener.note, in_background=request.pictures_in_background) as pictures,
            closing(_answers(executor, driver, state)) as answers,
        ):
            for answer in answers:
                result = results[answer.number] = driver.record(answer, pictures)
                del answer  # the next pair needs the memory
                listener.pair_finished(result)
    finally:
        state.finish()
    return [driver.with_pictures(results[number]) for number in sorted(results)]


def _answers(executor: Executor, driver: _Driver, state: ProcessState) -> Generator[PairAnswer, None, None]:
    """One answer for each job. A job without an answer is a failure, and a record that was found must still exist.

    Raises:
        PluginError: the executor answers a job twice, or a job that it did not get.
    """
    open_jobs = set(range(driver.pairs))
    for answer in executor.run(driver.jobs(), state):
        if answer.number not in open_jobs:
            raise PluginError(f"the executor answered job {answer.number} twice, or did not get this job")
        open_jobs.remove(answer.number)
        if answer.found is not None:
            record = driver.on_disk(answer.number, answer.found)
            if record is None:
                answer = answer_job(replace(driver.job(answer.number), earlier=()), state)
            else:
                answer = replace(answer, record=record)
        yield answer
    for number in sorted(open_jobs):
        yield failed(driver.job(number), PluginError("the executor gave no answer"), datetime.now(timezone.utc))


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
class _Driver:
    """Makes the jobs of a plan and writes their answers. No other part of a run writes results."""

    plan: Plan
    request: RunRequest
    store: RecordStore
    listener: Listener
    known: dict[tuple[str, str], dict[Hashable, list[_Known]]] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        return len(self.plan.models) * len(self.plan.tasks)

    def jobs(self) -> Iterator[Job]:
        """All jobs, models first. Each job is made when the executor takes it.

        Tasks that one fit to another task's data answers follow each other, so that it is learnt once.
        """
        tasks = range(len(self.plan.tasks))
        asked = [task.options.transfer for task in self.plan.tasks]
        if any(transfer.source for transfer in asked):
            first: dict[str, int] = {}
            places = [first.setdefault(repr(transfer), len(first)) for transfer in asked]
            order = sorted(tasks, key=lambda task: places[task])
        else:
            order = list(tasks)
        return (self.job(start + task) for start in range(0, self.pairs, len(tasks)) for task in order)

    def job(self, number: int) -> Job:
        model, task = self._pair(number)
        asks = self.request.force or self.request.save_answers is not None
        earlier = () if asks else tuple(self._earlier(model, task))
        return Job(
            number, model, task.card, task.options, self.request.settings, earlier, self._answers_folder(model.name)
        )

    def _answers_folder(self, model: str) -> Path | None:
        folder = self.request.save_answers
        return folder / safe_name(model) if folder is not None and len(self.plan.models) > 1 else folder

    def _pair(self, number: int) -> tuple[ModelCard, OpenedTask]:
        return self.plan.models[number // len(self.plan.tasks)], self.plan.tasks[number % len(self.plan.tasks)]

    def _earlier(self, model: ModelCard, task: OpenedTask) -> Iterator[EarlierRecord]:
        """The pair's records that may answer it. The record with the fewest left-out samples comes first.

        The records of a pair are read once, though a pair may have thousands: one for each method, shots and draw.
        """
        pair = model.name, task.card.name
        if pair not in self.known:
            by_transfer: dict[Hashable, list[_Known]] = {}
            self.known[pair] = by_transfer
            for record in self.store.pair_records(*pair):
                by_transfer.setdefault(transfer_key(record.task.protocol), []).append(_Known.of(record))
        found = self.known[pair].get(transfer_key(task.options.transfer.protocol), ())
        for known in sorted(found, key=lambda known: len(known.earlier.bad_samples)):
            if self._may_answer(known, model, task):
                yield known.earlier

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

    def on_disk(self, number: int, identifier: str) -> Record | None:
        """The complete record; None if it was removed or replaced after its job was made."""
        model, task = self._pair(number)
        return self.store.find(model.name, task.card.name, identifier)

    def record(self, answer: PairAnswer, pictures: PictureDrawer) -> PairResult:
        if answer.record is not None:
            if answer.found is not None:
                return self._found(answer.record, self._plan_id(answer.number))
            return self._done(answer, answer.record, pictures)
        model, task = self._pair(answer.number)
        assert answer.failure is not None  # one of the two is there
        log = self._write_log(answer)
        failure = answer.failure.logged(log) if log is not None else answer.failure
        path = self.store.write_failure(failure, self._plan_id(answer.number))
        code = answer.exit_code
        return PairResult(model.name, task.card.name, answer.status, failure=failure, path=path, exit_code=code)

    def _done(self, answer: PairAnswer, record: Record, pictures: PictureDrawer) -> PairResult:
        if answer.pictures is not None:
            pictures.before_record(record, answer.pictures)
        path = self.store.write(record, answer.predictions)
        self.store.clear_failure(record.model.name, record.task.name, self._plan_id(answer.number))
        self._write_log(answer)
        if answer.pictures is not None:
            pictures.after_record(record, answer.pictures)
        elif self.request.options.visuals:
            self.listener.note(draws_nothing(record))
        return PairResult(record.model.name, record.task.name, "done", record, path=path)

    def _found(self, record: Record, plan_id: str) -> PairResult:
        """The pair's record on disk, with the pictures of the run that wrote it."""
        path = self.store.file(record.model.name, record.task.name, record.id)
        self.store.clear_failure(record.model.name, record.task.name, plan_id)
        if self.request.options.visuals:
            there = "those of an earlier run stay" if self.store.has_visuals(record) else "it has no pictures"
            self.listener.note(
                f"{record.model.name}, {record.task.name}: the record exists, and pictures are drawn only when a pair "
                f"runs: {there}; --force draws them anew"
            )
        return PairResult(record.model.name, record.task.name, "found", record, path=path)

    def _write_log(self, answer: PairAnswer) -> str | None:
        """Keep what workers wrote, and remove the log of an earlier run of the pair."""
        model, task = self._pair(answer.number)
        return self.store.write_log(model.name, task.card.name, self._plan_id(answer.number), answer.log)

    def _plan_id(self, number: int) -> str:
        model, task = self._pair(number)
        return plan_id(model, task.card, task.options, self.request.precision)

    def with_pictures(self, result: PairResult) -> PairResult:
        if not self.request.options.visuals or result.record is None:
            return result
        has = self.store.has_visuals(result.record)
        return replace(result, visuals=self.store.visuals(result.record)) if has else result
