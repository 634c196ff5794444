"""Makes chosen jobs of a plain list of jobs. The pool uses it if its caller is not the driver of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vlmbench.run.job import Job


class ListedJobs:
    """See :class:`~vlmbench.run.jobs.ChosenJobs`. No other run can hold one of these jobs.

    Args:
        jobs: all of them are taken from the iterator at once.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._waiting = {job.number: job for job in jobs}

    def waiting(self) -> Sequence[Job]:
        return list(self._waiting.values())

    def take(self, number: int) -> Job | None:
        return self._waiting.pop(number)

    def __iter__(self) -> Iterator[Job]:
        for number in list(self._waiting):
            yield self._waiting.pop(number)
