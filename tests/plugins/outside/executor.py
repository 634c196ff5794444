"""An executor that begins with the last job."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from vlmbench.errors import UsageError
from vlmbench.run.job import Job
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.process_state import ProcessState


class Backwards:
    """See :class:`~vlmbench.run.executors.base.Executor`."""

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        for job in reversed(list(jobs)):
            state.listener.pair_started(job.model.name, job.task.name)
            yield answer_job(job, state)


def EXECUTOR(argument: str) -> Backwards:
    """``backwards``; it takes no argument."""
    if argument:
        raise UsageError("backwards takes no argument")
    return Backwards()
