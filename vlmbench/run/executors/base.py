"""What an executor is: jobs in, answers out, by whatever processes it has."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Literal, Protocol, runtime_checkable

from vlmbench.run.job import Job
from vlmbench.run.pair import PairAnswer
from vlmbench.run.process_state import ProcessState


class Executor(Protocol):
    """Carries jobs out. Only the driver that called it writes results."""

    def run(self, jobs: Iterable[Job], state: ProcessState) -> Generator[PairAnswer, None, None]:
        """The answer of each job, once it is there, in any order. Closed early, it lets go of what it holds.

        The state's listener is told of models that are loaded, of each job that starts, and of what its user should
        know. An executor with processes of its own makes each of them a state with
        :meth:`~vlmbench.run.process_state.ProcessState.of_new_process` and sends back answers whose pictures are drawn,
        for what draws them may not be picklable.

        Args:
            jobs: made one after the other as they are taken; those of one model follow each other.
            state: of the driver's own process, with the datasets that the plan has opened.
        """


@runtime_checkable
class InThisProcess(Protocol):
    """The capability of executors that carry out every job in the process that calls them.

    They alone can be given models and datasets that the caller holds in memory.
    """

    in_this_process: Literal[True]


ExecutorFactory = Callable[[str], Executor]
"""Makes an executor from what follows the colon of ``NAME:ARGUMENT``; the empty string where nothing does.

Raises UsageError where it cannot be made from that. It opens nothing: a plan makes one only to check the argument.
"""
