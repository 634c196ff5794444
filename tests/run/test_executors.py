"""Executors: found by name, from outside the package too; the driver alone writes what they give."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import toy_adapter

from vlmbench.cards import ModelCard
from vlmbench.errors import PluginError, UnknownNameError, UsageError
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions
from vlmbench.records import Failure
from vlmbench.run.execute import execute
from vlmbench.run.executors import EXECUTORS, find_executor
from vlmbench.run.executors.local import LocalExecutor
from vlmbench.run.job import Job
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run.process_state import ProcessState
from vlmbench.store import ResultStore


class Backwards:
    """Carries the jobs out from the last to the first, and counts what it finds written by then."""

    def __init__(self, argument: str) -> None:
        self.results = Path(argument)
        self.seen: list[int] = []

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        for job in reversed(list(jobs)):
            answer = answer_job(job, state)
            self.seen.append(len(list(self.results.glob("*/*/*.json"))))
            yield answer


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> list[Backwards]:
    """Every executor that was made under the name."""
    made: list[Backwards] = []

    def make(argument: str) -> Backwards:
        made.append(Backwards(argument))
        return made[-1]

    monkeypatch.setattr(EXECUTORS, "_entries", {**EXECUTORS._entries})
    monkeypatch.setattr(EXECUTORS, "_origin", {**EXECUTORS._origin})
    EXECUTORS.register("backwards", make)
    return made


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    folders = [make_folder({"cat": 3, "dog": 2}, name=name, seed=seed) for seed, name in enumerate(("a", "b"))]
    tasks = tuple(f"imagefolder:{folder}" for folder in folders)
    return RunRequest(("toy:a", "toy:b@crash"), tasks, tmp_path / "runs", device="cpu", use_cache=False)


def run(request: RunRequest) -> list[PairResult]:
    toy_adapter.LOADED.clear()
    return execute(make_plan(request), request, NotesAsWarnings())


def test_an_executor_from_outside_runs_a_plan(request_: RunRequest, backwards: list[Backwards], tmp_path: Path) -> None:
    there = run(replace(request_, executor=f"backwards:{request_.results}"))
    here = run(replace(request_, results=tmp_path / "others"))
    assert [(r.model, r.task, r.status) for r in there] == [(r.model, r.task, r.status) for r in here]
    assert [r.status for r in there] == ["done", "done", "failed", "failed"]
    assert [r.record.id for r in there if r.record] == [r.record.id for r in here if r.record]
    assert backwards[-1].seen == [0, 1, 2, 3]  # each is written by the driver before the next is asked for
    assert len(list(ResultStore(request_.results))) == 4


def test_a_second_run_finds_the_records_of_any_executor(request_: RunRequest, backwards: list[Backwards]) -> None:
    run(replace(request_, executor=f"backwards:{request_.results}"))
    assert [result.status for result in run(request_)] == ["found", "found", "failed", "failed"]
    assert backwards


def test_names_and_arguments() -> None:
    assert isinstance(find_executor("local"), LocalExecutor) and list(EXECUTORS) == ["local", "ray"]
    with pytest.raises(UsageError, match="workers must be a whole number above 0, not '0'"):
        find_executor("local:0")
    with pytest.raises(UsageError, match="options of an executor follow a colon") as comma:
        find_executor("ray,workers=2")
    assert comma.value.hint == "Did you mean --executor ray:workers=2?"
    with pytest.raises(UnknownNameError, match="unknown executor 'lokal'"):
        find_executor("lokal")


def test_the_jobs_of_a_plan_need_no_models_to_be_made(request_: RunRequest, backwards: list[Backwards]) -> None:
    """An executor may look at every job before it loads anything."""
    plan = make_plan(request_)
    toy_adapter.LOADED.clear()
    taken: list[tuple[int, str, str]] = []

    class Counts:
        def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
            taken.extend((job.number, job.model.name, job.task.name) for job in jobs)
            yield from ()

    EXECUTORS.register("counts", lambda argument: Counts())
    request = replace(request_, executor="counts")
    left_out = execute(plan, request, NotesAsWarnings())
    assert toy_adapter.LOADED == []
    assert [result.status for result in left_out] == ["failed"] * len(plan.models) * len(plan.tasks)
    assert {result.failure.message for result in left_out if result.failure} == {"the executor gave no answer"}
    names = [(model, task) for model in request_.models for task in request_.tasks]
    assert taken == [(number, *pair) for number, pair in enumerate(names)]


def test_a_job_answered_twice_is_the_executors_error(request_: RunRequest) -> None:
    class Twice:
        def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
            for job in jobs:
                yield answer_job(job, state)
                yield answer_job(job, state)

    EXECUTORS.register("twice", lambda argument: Twice())
    request = replace(request_, executor="twice")
    with pytest.raises(PluginError, match="job 0 twice"):
        execute(make_plan(request), request, NotesAsWarnings())


def test_what_another_run_wrote_meanwhile_is_found(request_: RunRequest) -> None:
    """A job is made when it is taken, so that two runs on one folder do not do the same work twice."""

    class Meanwhile(NotesAsWarnings):
        other: bool = False

        def pair_finished(self, result: PairResult) -> None:
            if not self.other:
                self.other = True
                execute(make_plan(request_), request_, NotesAsWarnings())

    request_ = replace(request_, models=("toy:a",))
    results = execute(make_plan(request_), request_, Meanwhile())
    assert [result.status for result in results] == ["done", *["found"] * (len(results) - 1)]


def test_one_model_is_in_memory_at_a_time(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[object]] = []
    load = toy_adapter.load

    def counted(card: ModelCard, options: LoadOptions) -> object:
        gc.collect()
        assert not [model for model in alive if model() is not None]
        model = load(card, options)
        toy_adapter.LOADED.clear()
        alive.append(weakref.ref(model))
        return model

    monkeypatch.setitem(ADAPTERS._entries, "toy", counted)
    execute(make_plan(request_), request_, NotesAsWarnings())
    gc.collect()
    assert len(alive) == len(request_.models) and not [model for model in alive if model() is not None]


def test_a_record_that_vanishes_is_made_again(request_: RunRequest) -> None:
    request_ = replace(request_, models=("toy:a",))
    plan = make_plan(request_)
    execute(plan, request_, NotesAsWarnings())

    class Vanishes(NotesAsWarnings):
        def pair_started(self, model: str, task: str) -> None:
            """What the job was told of is removed before it is answered."""
            if request_.results.exists():
                shutil.rmtree(request_.results)

    results = execute(plan, request_, Vanishes())
    assert {result.status for result in results} == {"done"}


class Logs:
    """Adds the output of a worker to each answer."""

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        for job in jobs:
            yield replace(answer_job(job, state), log=f"output of {job.model.name}\n")


def test_the_driver_keeps_logs_and_a_failure_names_its_own(request_: RunRequest, backwards: list[Backwards]) -> None:
    EXECUTORS.register("logs", lambda argument: Logs())
    request = replace(request_, executor="logs", tasks=request_.tasks[:1])
    done, failed = run(request)
    assert request.results is not None and done.path is not None and failed.path is not None
    assert [path.read_text() for path in done.path.parent.glob("*.log")] == ["output of toy:a\n"]
    log = failed.path.with_name(failed.path.name.replace(".failed.json", ".log"))
    assert log.read_text() == "output of toy:b@crash\n"
    assert failed.failure and failed.failure.message.endswith(f"(log: {log.relative_to(request.results).as_posix()})")
    assert [entry for entry in ResultStore(request.results) if isinstance(entry, Failure)] == [failed.failure]

    assert run(request)[0].status == "found"
    assert len(list(done.path.parent.glob("*.log"))) == 1  # the log of the run that wrote the record
    run(replace(request, executor="local", force=True))
    assert not list(request.results.rglob("*.log"))
