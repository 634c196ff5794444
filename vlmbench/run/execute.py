"""Carries out a plan: an executor answers the jobs, and the driver writes records and failures.

``vlmbench run``, ``vlmbench demo`` and :func:`vlmbench.evaluate` call it.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone

from vlmbench.errors import PluginError
from vlmbench.features.saved_answers import check_answers_folder
from vlmbench.run.driver import Driver
from vlmbench.run.executors import find_executor
from vlmbench.run.executors.base import Executor
from vlmbench.run.leases.jobs import LeasedJobs
from vlmbench.run.leases.leases import PairLeases, leases_of
from vlmbench.run.listener import Listener, PairResult
from vlmbench.run.pair import PairAnswer, answer_job, failed
from vlmbench.run.pictures import PictureDrawer
from vlmbench.run.plan import Plan, RunRequest
from vlmbench.run.process_state import ProcessState
from vlmbench.run.stores import NoStore, RecordStore, open_store


def execute(
    plan: Plan, request: RunRequest, listener: Listener, *, leases: PairLeases | None = None
) -> list[PairResult]:
    """Run every pair of a plan. If a pair fails, its failure is written and the other pairs continue.

    A pair that another run on the same results folder is doing is done last: this run waits for it, and finds its
    record.

    Args:
        leases: on the pairs; None: in the results folder. They are closed at the end.

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
    results: dict[int, PairResult] = {}
    try:
        with (
            closing(leases or leases_of(request.results, listener.note)) as leases,
            PictureDrawer(store, listener.note, in_background=request.pictures_in_background) as pictures,
        ):
            driver = Driver(plan, request, store, listener, leases)
            driver.read_ahead()
            jobs = LeasedJobs(plan.pairs, driver, leases, listener.note)
            with closing(_answers(executor, jobs, driver, state)) as answers:
                for answer in answers:
                    result = results[answer.number] = driver.record(answer, pictures)
                    jobs.answered(answer.number)
                    del answer  # the next pair needs the memory
                    listener.pair_finished(result)
    finally:
        state.finish()
    return [driver.with_pictures(results[number]) for number in sorted(results)]


def _answers(
    executor: Executor, jobs: LeasedJobs, driver: Driver, state: ProcessState
) -> Generator[PairAnswer, None, None]:
    """One answer for each job. A job without an answer is a failure, and a record that was found must still exist.

    Raises:
        PluginError: the executor answers a job twice, or a job that it did not get.
    """
    open_jobs = set(driver.plan.pairs)
    for answer in _rounds(executor, jobs, state):
        if answer.number not in open_jobs:
            raise PluginError(f"the executor answered job {answer.number} twice, or did not get this job")
        open_jobs.remove(answer.number)
        if answer.found is not None:
            record = driver.on_disk(answer.number, answer.found)
            if record is None:
                answer = answer_job(driver.bare_job(answer.number), state)
            else:
                answer = replace(answer, record=record)
        yield answer
    for number in sorted(open_jobs):
        yield failed(driver.bare_job(number), PluginError("the executor gave no answer"), datetime.now(timezone.utc))


def _rounds(executor: Executor, jobs: LeasedJobs, state: ProcessState) -> Generator[PairAnswer, None, None]:
    """The answers of the executor, which gets the jobs again while another run holds some of them."""
    waiting = None
    while (left := len(jobs.waiting())) and left != waiting:
        waiting = left
        yield from executor.run(jobs, state)
