"""What an executor is: jobs in, answers out, by whatever processes it has."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol

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


ExecutorFactory = Callable[[str], Executor]
"""Makes an executor from what follows the colon of ``NAME:ARGUMENT``; the empty string where nothing does.

Raises UsageError where it cannot be made from that. It opens nothing: a plan makes one only to check the argument.
"""
