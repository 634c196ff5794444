"""The jobs of a run as executors get them. A job is handed out with a lease on its pair.

:mod:`vlmbench.run.execute` makes them; executors take them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from vlmbench.errors import PluginError
from vlmbench.run.job import Job
from vlmbench.run.leases.holder import Holder
from vlmbench.run.leases.leases import LOOK_S, PairLeases
from vlmbench.wording import counted


class MakesJobs(Protocol):
    """What the jobs need of the driver."""

    def bare_job(self, number: int) -> Job:
        """The job without what is on disk. Nothing is read."""

    def job(self, number: int) -> Job:
        """The job with the records that may answer it now."""

    def plan_id(self, number: int) -> str:
        """Identifies the pair in every run."""


class LeasedJobs:
    """The jobs of a plan, see :class:`~vlmbench.run.jobs.ChosenJobs`.

    Args:
        order: the numbers of the jobs.
        note: is told about other runs.
        wait: called between two looks at pairs that another run is doing.
    """

    def __init__(
        self,
        order: Sequence[int],
        driver: MakesJobs,
        leases: PairLeases,
        note: Callable[[str], None],
        *,
        wait: Callable[[], None] | None = None,
    ) -> None:
        self._waiting = dict.fromkeys(order)
        self._driver, self._leases, self._note, self._wait = driver, leases, note, wait or _wait
        self._at_work: set[int] = set()
        self._told: set[Holder] = set()

    def waiting(self) -> Sequence[Job]:
        """See :class:`~vlmbench.run.jobs.ChosenJobs`."""
        return [self._driver.bare_job(number) for number in self._waiting]

    def take(self, number: int) -> Job | None:
        """See :class:`~vlmbench.run.jobs.ChosenJobs`.

        Raises:
            PluginError: the job is not waiting.
        """
        if number not in self._waiting:
            raise PluginError(f"the executor took job {number} twice, or the plan does not have it")
        holder = self._leases.take(self._driver.plan_id(number))
        if holder is not None:
            self._tell_of(holder)
            return None
        del self._waiting[number]
        self._at_work.add(number)
        return self._driver.job(number)  # made now: another run may have written the record a moment ago

    def __iter__(self) -> Iterator[Job]:
        """See :class:`~vlmbench.run.jobs.ChosenJobs`.

        It never waits while jobs that it handed out have no answer yet: the other run may be waiting for those. Then it
        ends, and the driver gives the rest to the executor after these answers.
        """
        yield from self._free()
        if self._waiting and not self._at_work:
            self._note(f"waiting for {counted(len(self._waiting), 'pair')} that other runs are doing")
        while self._waiting and not self._at_work:
            self._wait()
            yield from self._free()

    def _free(self) -> Iterator[Job]:
        for number in list(self._waiting):
            if number in self._waiting and (job := self.take(number)) is not None:
                yield job

    def answered(self, number: int) -> None:
        """The answer to a job is written: its pair is free again."""
        self._at_work.discard(number)
        self._leases.release(self._driver.plan_id(number))

    def _tell_of(self, holder: Holder) -> None:
        if holder not in self._told:
            self._told.add(holder)
            self._note(
                f"another run ({holder}) is at work on the same results: what it is doing now is put off to the end"
            )


def _wait() -> None:
    time.sleep(LOOK_S)
