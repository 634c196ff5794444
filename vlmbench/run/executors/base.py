"""Defines the protocol of executors: from jobs to answers, in this process or others.

:mod:`vlmbench.run.execute` calls an executor; authors of executors implement the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Literal, Protocol, runtime_checkable

from vlmbench.run.job import Job
from vlmbench.run.pair import PairAnswer
from vlmbench.run.process_state import ProcessState


class Executor(Protocol):
    """Carries out jobs. Only the driver that calls it writes results."""

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        """The answer to each job as soon as it is known, in any order. Closing it early releases its resources.

        It tells the state's listener about models that are loaded, each job that starts, and notes for the user. An
        executor with other processes gives each of them a state from
        :meth:`~vlmbench.run.process_state.ProcessState.of_new_process`. It returns answers whose pictures are drawn,
        because the function that draws them may not be picklable.

        Args:
            jobs: made one by one when they are taken. The jobs of one model follow each other.
            state: the state of the driver's process, with the datasets that the plan has opened.
        """


@runtime_checkable
class InThisProcess(Protocol):
    """The capability of executors that carry out every job in the calling process.

    Only they accept models and datasets in memory.
    """

    in_this_process: Literal[True]


@runtime_checkable
class HasWorkers(Protocol):
    """The capability of executors that give jobs to several workers.

    They tell a listener with the capability :class:`~vlmbench.run.pool.watching.WatchesWorkers` about each worker.
    """

    has_workers: Literal[True]


ExecutorFactory = Callable[[str], Executor]
"""Makes an executor from the ARGUMENT of ``NAME:ARGUMENT``, or from an empty string.

Raises UsageError if the argument is wrong. It opens nothing: a plan makes an executor only to check the argument.
"""
