"""One job to one answer, in this process and in another one."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_adapter
from run.another_process import answer_pickled

from vlmbench.cards import TaskCard
from vlmbench.catalogue import find_models, find_tasks
from vlmbench.errors import VlmbenchWarning
from vlmbench.records import Record
from vlmbench.run.job import EarlierRecord, Job, RunSettings
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.opened import OpenedTask, open_task
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.process_state import ProcessState
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer.asked import TransferAsked

MEASURED = {"started", "seconds", "images_per_second", "peak_memory_bytes", "cache"}
"""What two runs of one job may differ in."""


@pytest.fixture
def job(make_folder: Callable[..., Path]) -> Job:
    folder = make_folder({"cat": 4, "dog": 3, "bird": 5})
    settings = RunSettings(device="cpu", plugins=(toy_adapter.TOY_ADAPTER,), workers=1)
    return Job(3, *find_models("toy:a"), *find_tasks(f"imagefolder:{folder}"), TaskOptions(seed=2), settings)


def state_of(job: Job) -> ProcessState:
    toy_adapter.LOADED.clear()
    return ProcessState(job.settings, NotesAsWarnings())


def record_of(answer: PairAnswer) -> Record:
    assert answer.record is not None, answer.failure
    return answer.record


def but_for_times(record: Record) -> dict[str, object]:
    fields = record.model_dump(by_alias=True)
    return {**fields, "run": {name: value for name, value in fields["run"].items() if name not in MEASURED}}


def test_another_process_gives_the_same_record(job: Job) -> None:
    here = answer_job(job, state_of(job))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there: PairAnswer = pickle.loads(pool.submit(answer_pickled, pickle.dumps(job)).result())
    assert there.number == here.number == 3 and there.status == "done"
    assert but_for_times(record_of(there)) == but_for_times(record_of(here))
    assert there.predictions == here.predictions and len(here.predictions) > 100
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_process_loads_a_model_and_opens_a_dataset_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(card: TaskCard, *rest: Any, **others: Any) -> OpenedTask:
        opened.append(card.name)
        return open_task(card, *rest, **others)

    monkeypatch.setattr("vlmbench.run.process_state.open_task", counted)
    state = state_of(job)
    first, again = answer_job(job, state), answer_job(job, state)
    other = answer_job(replace(job, model=job.model.model_copy(update={"name": "toy:bb", "spec": "bb"})), state)
    assert record_of(first).id == record_of(again).id != record_of(other).id
    assert len(toy_adapter.LOADED) == 2 and opened == [job.task.name]
    answer_job(replace(job, options=TaskOptions(limit=2)), state)
    assert opened == [job.task.name] * 2


def test_one_of_many_questions_is_found_without_comparing_all(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of(job)
    opened = state.task(job.task, job.options)
    many = [
        replace(opened, options=replace(job.options, transfer=TransferAsked("knn", 1, draw))) for draw in range(1_000)
    ]
    state = ProcessState(job.settings, NotesAsWarnings(), [opened, *many])
    compared: list[int] = []
    equal = TaskOptions.__eq__

    def counting(self: TaskOptions, other: object) -> bool:
        compared.append(1)
        return equal(self, other)

    monkeypatch.setattr(TaskOptions, "__eq__", counting)
    assert [state.task(job.task, each.options) for each in many[::100]] == many[::100]
    assert state.task(job.task, job.options) is opened
    assert 0 < len(compared) < 100


def test_an_earlier_record_answers_the_same_question(job: Job) -> None:
    state = state_of(job)
    record = record_of(answer_job(job, state))
    earlier = EarlierRecord.of(record)
    found = answer_job(replace(job, earlier=(replace(earlier, id="another"), earlier)), state)
    assert (found.status, found.found, found.record) == ("found", record.id, None)
    for other in (replace(earlier, fingerprint="0" * 64), replace(earlier, other_fingerprints=(("train", "0" * 64),))):
        assert answer_job(replace(job, earlier=(other,)), state).status == "done"


def test_what_goes_wrong_is_the_jobs_failure(job: Job) -> None:
    state = state_of(job)
    crash = job.model.model_copy(update={"options": {"flaw": "crash"}})
    failed = answer_job(replace(job, model=crash), state)
    assert failed.status == "failed" and failed.exit_code == 1 and failed.failure is not None
    assert failed.failure.message == "unexpected RuntimeError: the toy broke"
    (absent,) = find_tasks("imagefolder:gone")
    missing = answer_job(replace(job, task=absent), state)
    assert missing.failure is not None and missing.failure.error == "MissingDataError"
    assert answer_job(job, state).status == "done"


def test_a_model_that_cannot_be_loaded_is_tried_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(NotesAsWarnings, "loading", lambda listener, card: tried.append(card.name))
    broken = replace(job, model=job.model.model_copy(update={"options": {"flaw": "missing"}}))
    state = state_of(job)
    reasons = [answer_job(broken, state).failure for _ in range(2)]
    assert [reason.message for reason in reasons if reason] == ["the toy has no weights"] * 2 and tried == ["toy:a"]


def test_warnings_are_in_the_record_and_heard_in_order(job: Job) -> None:
    small = replace(job, model=job.model.model_copy(update={"options": {"flaw": "memory"}}))
    with pytest.warns(VlmbenchWarning, match="did not fit into memory") as heard:
        record = record_of(answer_job(small, state_of(job)))
    said = [str(each.message) for each in heard]
    assert said and [f"{job.model.name} on {job.task.name}: {each}" for each in record.warnings] == said
