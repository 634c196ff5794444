"""Jobs with leases: in order, by number, put off while another run is doing their pair, and never a deadlock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vlmbench.cards import ModelCard, SourceSpec, make_task
from vlmbench.errors import PluginError
from vlmbench.run.job import EarlierRecord, Job, RunSettings
from vlmbench.run.jobs import ChosenJobs
from vlmbench.run.leases.jobs import LeasedJobs
from vlmbench.run.leases.leases import Leases
from vlmbench.storage.disk import DiskFolder
from vlmbench.tasks.base import TaskOptions

EARLIER = EarlierRecord("id", "fingerprint", (), ())


class Driver:
    """Makes jobs without a plan."""

    def bare_job(self, number: int) -> Job:
        task = make_task(f"task{number}", "classification", SourceSpec(kind="none", location=""))
        return Job(number, ModelCard(name="m", adapter="toy"), task, TaskOptions(), RunSettings())

    def job(self, number: int) -> Job:
        job = self.bare_job(number)
        return Job(number, job.model, job.task, job.options, job.settings, (EARLIER,))

    def plan_id(self, number: int) -> str:
        return f"plan{number}"


Make = Callable[..., tuple[LeasedJobs, Leases]]


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, notes: list[str]) -> Iterator[Make]:
    made: list[Leases] = []

    def jobs(numbers: range = range(4), wait: Callable[[], None] | None = None) -> tuple[LeasedJobs, Leases]:
        leases = Leases(DiskFolder(tmp_path, durable=False), notes.append, look_s=0)
        made.append(leases)
        return LeasedJobs(numbers, Driver(), leases, notes.append, wait=wait or pytest.fail), leases

    yield jobs
    for leases in made:
        leases.close()


def test_jobs_come_in_order_and_each_once(make: Make) -> None:
    jobs, _ = make()
    assert isinstance(jobs, ChosenJobs)
    assert [(job.number, job.earlier) for job in jobs.waiting()] == [(number, ()) for number in range(4)]
    assert [(job.number, job.earlier) for job in jobs] == [(number, (EARLIER,)) for number in range(4)]
    assert jobs.waiting() == [] and list(jobs) == []


def test_jobs_are_chosen_by_number(make: Make) -> None:
    jobs, _ = make()
    chosen = jobs.take(2)
    assert chosen is not None and chosen.number == 2
    assert [job.number for job in jobs.waiting()] == [0, 1, 3] == [job.number for job in jobs]
    for number in (2, 9):
        with pytest.raises(PluginError, match=f"took job {number} twice, or the plan does not have it"):
            jobs.take(number)


def test_what_another_run_is_doing_is_put_off_and_waited_for(make: Make, notes: list[str]) -> None:
    other, _ = make(range(2))
    assert other.take(0) is not None and other.take(1) is not None
    ends = iter((0, 1))
    jobs, _ = make(wait=lambda: other.answered(next(ends)))
    assert jobs.take(0) is None and [job.number for job in jobs.waiting()] == [0, 1, 2, 3]
    taken = []
    for job in jobs:
        taken.append(job.number)
        jobs.answered(job.number)
    assert taken == [2, 3, 0, 1]
    assert len(notes) == 2
    assert "is at work on the same results" in notes[0] and notes[1] == "waiting for 2 pairs that other runs are doing"


def test_runs_whose_executors_take_all_jobs_first_do_not_wait_for_each_other(make: Make) -> None:
    one, _ = make()
    other, _ = make()
    first, second = iter(one), iter(other)
    assert next(first).number == 0 and next(second).number == 1
    assert [job.number for job in first] == [2, 3]  # it ends although job 1 is waiting: it must answer first
    assert [job.number for job in second] == []
    for number in (0, 2, 3):
        one.answered(number)
    other.answered(1)
    assert [job.number for job in one] == [1] and one.waiting() == []
