"""The executor ``local``: this process carries out one job after the other, with one model loaded at a time.

``vlmbench run`` uses it unless ``--executor`` names another. ``local:N`` has N processes of this machine.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator, Iterable
from typing import Literal

from vlmbench.cards import ModelCard
from vlmbench.errors import UsageError
from vlmbench.run.executors.base import Executor
from vlmbench.run.job import Job
from vlmbench.run.pair import PairAnswer, answer_job
from vlmbench.run.pool.arguments import read_options, whole_number
from vlmbench.run.pool.pool import Pool
from vlmbench.run.pool.processes import ProcessCrew
from vlmbench.run.process_state import ProcessState
from vlmbench.tasks.given.base import unsupported


class LocalExecutor:
    """See :class:`~vlmbench.run.executors.base.Executor`."""

    in_this_process: Literal[True] = True

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        """The answers in the order of the jobs. A job is taken after the previous answer is written."""
        at_work: ModelCard | None = None
        for job in jobs:
            if job.model != at_work:
                state.release_model()
                at_work = job.model
                _announce_unsupported(at_work, state)
            state.listener.pair_started(job.model.name, job.task.name)
            yield answer_job(job, state)
        state.release_model()


def _announce_unsupported(card: ModelCard, state: ProcessState) -> None:
    """Note unsupported tasks before a model's work starts. If no task has a question, the model is not loaded."""
    questions = [task.question for task in state.opened if task.question]
    if not questions:
        return
    try:
        model = state.model(card)
        reasons = [(question.card.name, unsupported(question, model)) for question in questions]
    except Exception as error:  # each job fails with this error and reports it
        logging.getLogger(__name__).info("not announced", exc_info=error)
        return
    for task, reason in reasons:
        if reason:
            state.listener.note(f"{card.name} cannot be asked {task}: {reason}")


_OF_RAY = ("workers", "workers-per-gpu")
"""The options that only ``ray`` has: the number of ``local:N`` says how many workers there are."""


def make_local(argument: str) -> Executor:
    """See :data:`~vlmbench.run.executors.base.ExecutorFactory`.

    Raises:
        UsageError: the argument is not ``N`` or ``N,threads=T,split=IMAGES``, or the system lacks what it needs.
    """
    if not argument:
        return LocalExecutor()
    number, *options = argument.split(",")
    if not (hasattr(os, "fork") and hasattr(socket, "send_fds")):
        raise UsageError(
            "--executor local:N does not work on this system, because its workers are copies of a process",
            hint="Use --executor local, or run vlmbench on Linux (on Windows: in WSL).",
        )
    workers = whole_number("local", "workers", number)
    return Pool(ProcessCrew(workers, chosen := read_options("local", options, _OF_RAY)), chosen)


EXECUTOR = make_local
