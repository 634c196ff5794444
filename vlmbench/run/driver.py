"""The driver of a run: makes the jobs of a plan and writes their answers. No other part of a run writes results.

:mod:`vlmbench.run.execute` brings it together with an executor.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from vlmbench.paths import safe_name
from vlmbench.records import Record
from vlmbench.run.earlier import EarlierRecords
from vlmbench.run.identity import plan_id
from vlmbench.run.job import Job
from vlmbench.run.leases.leases import PairLeases
from vlmbench.run.listener import Listener, PairResult
from vlmbench.run.pair import PairAnswer
from vlmbench.run.pictures import PictureDrawer, draws_nothing
from vlmbench.run.plan import Plan, RunRequest
from vlmbench.run.stores import RecordStore


@dataclass(frozen=True)
class Driver:
    """Makes jobs and writes answers.

    Attributes:
        leases: on the pairs. If another run has taken a pair over, that run's record counts.
    """

    plan: Plan
    request: RunRequest
    store: RecordStore
    listener: Listener
    leases: PairLeases
    earlier: EarlierRecords = field(init=False)
    _plan_ids: dict[int, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "earlier", EarlierRecords(self.request, self.store))

    def read_ahead(self) -> None:
        """Let the store read the earlier records of all pairs at once, if this run asks for them."""
        if not self._asks:
            models, tasks = self.plan.models, self.plan.tasks
            self.store.read_ahead({(model.name, task.card.name) for model in models for task in tasks})

    @property
    def _asks(self) -> bool:
        """Whether each pair is asked anew, whatever records there are."""
        return self.request.force or self.request.save_answers is not None

    def bare_job(self, number: int) -> Job:
        """The job of a pair without what is on disk. Nothing is read."""
        model, task = self.plan.pair(number)
        settings, answers = self.request.settings, self._answers_folder(model.name)
        return Job(number, model, task.card, task.options, settings, save_answers=answers)

    def job(self, number: int) -> Job:
        """The job of a pair with the records that may answer it now."""
        earlier = () if self._asks else tuple(self.earlier.of(*self.plan.pair(number)))
        return replace(self.bare_job(number), earlier=earlier)

    def _answers_folder(self, model: str) -> Path | None:
        folder = self.request.save_answers
        return folder / safe_name(model) if folder is not None and self.plan.several_models else folder

    def plan_id(self, number: int) -> str:
        """Identifies the pair in every run, see :func:`~vlmbench.run.identity.plan_id`."""
        if number not in self._plan_ids:
            model, task = self.plan.pair(number)
            self._plan_ids[number] = plan_id(model, task.card, task.options, self.request.precision)
        return self._plan_ids[number]

    def on_disk(self, number: int, identifier: str) -> Record | None:
        """The complete record; None if it was removed or replaced after its job was made."""
        model, task = self.plan.pair(number)
        return self.store.find(model.name, task.card.name, identifier)

    def record(self, answer: PairAnswer, pictures: PictureDrawer) -> PairResult:
        """Write the answer to a job.

        Raises:
            StoreError: it cannot be written.
        """
        model, task = self.plan.pair(answer.number)
        kept = self.leases.keeps(self.plan_id(answer.number))
        if not kept:
            self.listener.note(
                f"{model.name}, {task.card.name}: another run has taken this pair over, because this run gave no sign "
                "of life for too long"
            )
        if answer.record is not None:
            if answer.found is not None:
                return self._found(answer.record, answer.number)
            theirs = None if kept else self.on_disk(answer.number, answer.record.id)
            return self._done(answer, answer.record, pictures) if theirs is None else self._found(theirs, answer.number)
        assert answer.failure is not None  # one of the two is there
        answered = not kept and any(self.earlier.of(model, task))
        log = None if answered else self._write_log(answer)
        failure = answer.failure.logged(log) if log is not None else answer.failure
        path = None if answered else self.store.write_failure(failure, self.plan_id(answer.number))
        code = answer.exit_code
        return PairResult(model.name, task.card.name, answer.status, failure=failure, path=path, exit_code=code)

    def _done(self, answer: PairAnswer, record: Record, pictures: PictureDrawer) -> PairResult:
        if answer.pictures is not None:
            pictures.before_record(record, answer.pictures)
        path = self.store.write(record, answer.predictions)
        self.store.clear_failure(record.model.name, record.task.name, self.plan_id(answer.number))
        self._write_log(answer)
        if answer.pictures is not None:
            pictures.after_record(record, answer.pictures)
        elif self.request.options.visuals:
            self.listener.note(draws_nothing(record))
        return PairResult(record.model.name, record.task.name, "done", record, path=path)

    def _found(self, record: Record, number: int) -> PairResult:
        """The pair's record on disk, with the pictures of the run that wrote it."""
        path = self.store.file(record.model.name, record.task.name, record.id)
        self.store.clear_failure(record.model.name, record.task.name, self.plan_id(number))
        if self.request.options.visuals:
            there = "those of an earlier run stay" if self.store.has_visuals(record) else "it has no pictures"
            self.listener.note(
                f"{record.model.name}, {record.task.name}: the record exists, and pictures are drawn only when a pair "
                f"runs: {there}; --force draws them anew"
            )
        return PairResult(record.model.name, record.task.name, "found", record, path=path)

    def _write_log(self, answer: PairAnswer) -> str | None:
        """Keep what workers wrote, and remove the log of an earlier run of the pair."""
        model, task = self.plan.pair(answer.number)
        return self.store.write_log(model.name, task.card.name, self.plan_id(answer.number), answer.log)

    def with_pictures(self, result: PairResult) -> PairResult:
        """The result with the folder of its pictures, now that all are drawn."""
        if not self.request.options.visuals or result.record is None:
            return result
        has = self.store.has_visuals(result.record)
        return replace(result, visuals=self.store.visuals(result.record)) if has else result
