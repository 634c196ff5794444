"""The executor of this process: one job after the other, one model loaded at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from itertools import groupby

from vlmbench.errors import UsageError, VlmbenchError
from vlmbench.run.job import Job
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.process_state import ProcessState


class LocalExecutor:
    """See :class:`~vlmbench.run.executors.base.Executor`."""

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        """The answers in the order of the jobs."""
        for _, of_model in groupby(jobs, key=lambda job: job.model.name):
            same_model = list(of_model)
            _announce_unsupported(same_model, state)
            for job in same_model:
                state.listener.pair_started(job.model.name, job.task.name)
                yield answer_job(job, state)
            state.release_model()


def _announce_unsupported(jobs: Sequence[Job], state: ProcessState) -> None:
    """Say before a model's work starts which of its tasks it cannot be asked. Without a question no model is loaded."""
    questions = [(job, question) for job in jobs if (question := state.task(job.task, job.options).question)]
    if not questions:
        return
    try:
        model = state.model(jobs[0].model)
    except VlmbenchError:  # each job fails with it
        return
    for job, question in questions:
        if reason := question.unsupported(model):
            state.listener.note(f"{job.model.name} cannot be asked {job.task.name}: {reason}")


def make_local(argument: str) -> LocalExecutor:
    """See :data:`~vlmbench.run.executors.base.ExecutorFactory`.

    Raises:
        UsageError: there is an argument.
    """
    if argument:
        raise UsageError(
            f"executor 'local' takes no argument, not {argument!r}", hint="Leave it out: --executor local."
        )
    return LocalExecutor()


EXECUTOR = make_local
