"""Defines the jobs of a run as executors get them: in order, or chosen by number.

The driver in :mod:`vlmbench.run.execute` makes them. It takes a lease before it hands a job out, so that two runs on
one results folder never do a pair at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from vlmbench.run.job import Job


@runtime_checkable
class ChosenJobs(Protocol):
    """The jobs of a plan that were not handed out yet."""

    def waiting(self) -> Sequence[Job]:
        """The jobs that were not handed out, in the order of the plan, without ``earlier``. Nothing is read."""

    def take(self, number: int) -> Job | None:
        """Hand out one job. None: another run is doing this pair now, so the job is still waiting; ask again later.

        Args:
            number: of a job that is waiting.
        """

    def __iter__(self) -> Iterator[Job]:
        """Hand out all jobs, each when it is asked for. It waits for pairs that another run is doing."""
