"""Two runs on one results folder: each pair is done once, and a run that is killed does not hold the other up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import toy_adapter

from vlmbench.run.execute import execute
from vlmbench.run.executors import EXECUTORS
from vlmbench.run.job import Job
from vlmbench.run.leases.leases import LEASES, NoLeases
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.plan import Plan, RunRequest, make_plan
from vlmbench.run.process_state import ProcessState
from vlmbench.store import ResultStore

assert toy_adapter.LOADED is not None


class Counts:
    """Carries jobs out and writes down the number of each that it computed, in a file that several runs share."""

    def __init__(self, argument: str) -> None:
        self.file = Path(argument)

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        for job in jobs:
            answer = answer_job(job, state)
            if answer.status == "done":
                with self.file.open("a") as file:
                    file.write(f"{job.number}\n")
            yield answer


class TakesAll(Counts):
    """As :class:`Counts`, but it takes all jobs that it can get before it does the first."""

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        yield from super().run(list(jobs), state)


class Quiet(NotesAsWarnings):
    def __init__(self, finished: Callable[[PairResult], None] = lambda result: None) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.finished = finished

    def note(self, message: str) -> None:
        self.notes.append(message)

    def pair_finished(self, result: PairResult) -> None:
        self.finished(result)


@pytest.fixture(autouse=True)
def executors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EXECUTORS, "_entries", {**EXECUTORS._entries})
    monkeypatch.setattr(EXECUTORS, "_origin", {**EXECUTORS._origin})
    EXECUTORS.register("counts", Counts)
    EXECUTORS.register("takes-all", TakesAll)
    monkeypatch.setattr("vlmbench.run.leases.jobs.LOOK_S", 0.02)


@pytest.fixture
def request_(make_folder: Callable[..., Path], tmp_path: Path) -> RunRequest:
    tasks = tuple(f"imagefolder:{make_folder({'cat': 2, 'dog': 2}, name=name)}" for name in "abc")
    runs = tmp_path / "runs"
    return RunRequest(("toy:a", "toy:bb"), tasks, runs, executor=f"counts:{tmp_path}/n", device="cpu", use_cache=False)


def counted(tmp_path: Path) -> Counter[int]:
    return Counter(map(int, (tmp_path / "n").read_text().split()))


@pytest.mark.parametrize("executor", ["counts", "takes-all"])
def test_several_runs_at_once_do_every_pair_once(request_: RunRequest, tmp_path: Path, executor: str) -> None:
    request_ = replace(request_, executor=f"{executor}:{tmp_path}/n")
    plan = make_plan(request_)
    start, results = threading.Barrier(3), [[], [], []]  # type: ignore[var-annotated]

    def drive(number: int) -> None:
        start.wait()
        results[number] = execute(plan, request_, Quiet())

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(tmp_path) == dict.fromkeys(range(6), 1)
    for found in results:
        assert [(each.model, each.task) for each in found] == [(m, t) for m in request_.models for t in request_.tasks]
        assert {each.status for each in found} <= {"done", "found"}
    assert len(list(ResultStore(tmp_path / "runs"))) == 6
    assert not (tmp_path / "runs" / LEASES).exists()


def stops_in_the_middle(plan: Plan, request: RunRequest, connection: int) -> None:
    """A run whose second pair never ends."""

    class Stops(Counts):
        def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
            for job in jobs:
                if job.number == 1:
                    os.write(connection, b"1")
                    time.sleep(600)
                yield answer_job(job, state)

    EXECUTORS.register("stops", Stops)
    execute(plan, replace(request, executor="stops:"), Quiet())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot copy a process")
def test_a_run_that_is_killed_leaves_its_pair_to_the_other_at_once(request_: RunRequest, tmp_path: Path) -> None:
    plan = make_plan(request_)
    there, here = os.pipe()
    child = multiprocessing.get_context("fork").Process(target=stops_in_the_middle, args=(plan, request_, here))
    child.start()
    assert os.read(there, 1) == b"1"
    finished: list[PairResult] = []

    def kill_at_the_end(result: PairResult) -> None:
        finished.append(result)
        if len(finished) == 5:  # all but the pair that the other is doing
            os.kill(child.pid or 0, signal.SIGKILL)

    listener = Quiet(kill_at_the_end)
    began = time.monotonic()
    results = execute(plan, request_, listener)
    assert time.monotonic() - began < 60  # far below the time of a lease
    child.join()
    assert [result.status for result in results] == ["found", *["done"] * 5]
    assert counted(tmp_path) == dict.fromkeys(range(1, 6), 1)
    put_off, waiting, ended = listener.notes
    assert f"process {child.pid}" in put_off and "put off" in put_off
    assert waiting == "waiting for 1 pair that other runs are doing"
    assert f"process {child.pid}) has ended" in ended
    assert not (tmp_path / "runs" / LEASES).exists()


def test_ctrl_c_releases_the_leases(request_: RunRequest, tmp_path: Path) -> None:
    class Interrupted(Counts):
        def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
            taken = list(jobs)
            assert len(list((tmp_path / "runs" / LEASES).iterdir())) == len(taken) == 6
            yield answer_job(taken[0], state)
            raise KeyboardInterrupt

    EXECUTORS.register("interrupted", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(make_plan(request_), replace(request_, executor="interrupted"), Quiet())
    assert len(list(ResultStore(tmp_path / "runs"))) == 1
    assert not (tmp_path / "runs" / LEASES).exists()


class Lost(NoLeases):
    """Leases that another run has taken over."""

    def keeps(self, key: str) -> bool:
        return False


def test_the_record_of_the_run_that_took_a_pair_over_counts(request_: RunRequest, tmp_path: Path) -> None:
    request_ = replace(request_, models=("toy:a",), tasks=request_.tasks[:1])
    plan = make_plan(request_)
    (first,) = execute(plan, replace(request_, force=True), Quiet(), leases=Lost())
    assert first.status == "done" and first.path is not None
    written = first.path.stat().st_mtime_ns
    listener = Quiet()
    (second,) = execute(plan, replace(request_, force=True), listener, leases=Lost())
    assert (second.status, second.record) == ("found", first.record)
    assert first.path.stat().st_mtime_ns == written
    assert counted(tmp_path) == {0: 2} and "another run has taken this pair over" in listener.notes[0]


def test_a_failure_is_not_written_beside_the_record_of_the_run_that_took_the_pair_over(
    request_: RunRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_ = replace(request_, models=("toy:a",), tasks=request_.tasks[:1])
    plan = make_plan(request_)

    class Fails(Counts):
        def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
            for job in jobs:
                execute(plan, replace(request_, executor=f"counts:{tmp_path}/n"), Quiet(), leases=NoLeases())
                monkeypatch.setattr(toy_adapter.FlawedToy, "encode_image", None)
                yield answer_job(replace(job, earlier=()), state)

    EXECUTORS.register("fails", Fails)
    (failed,) = execute(plan, replace(request_, executor=f"fails:{tmp_path}/n"), Quiet(), leases=Lost())
    assert failed.status == "failed" and failed.path is None
    assert [type(entry).__name__ for entry in ResultStore(tmp_path / "runs")] == ["Record"]
