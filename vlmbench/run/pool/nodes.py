"""Keeps count of what goes wrong on each node, and decides when a node is left out. The pool uses it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from vlmbench.run.pool.crew import Slot
from vlmbench.wording import counted

MOST_DEATHS = 2
"""A node gets no more work after workers died there at this number of pairs, or if this number did not start before one
did. On a node that has started workers, a place gets no more after this number did not start in it, one after the
other."""


@dataclass
class Nodes:
    """The nodes of a run, and those that are left out.

    Attributes:
        left_out: the reason why each of these nodes gets no work.
    """

    left_out: dict[str, str] = field(default_factory=dict)
    _deaths: dict[str, set[int]] = field(default_factory=dict)
    _failed_starts: dict[str, int] = field(default_factory=dict)
    _failed_in: dict[Slot, int] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)

    def usable(self, node: str) -> bool:
        return node not in self.left_out

    def has_place(self, slot: Slot) -> bool:
        """Whether workers may be started in a place."""
        return self.usable(slot.node) and self._failed_in.get(slot, 0) < MOST_DEATHS

    def started(self, slot: Slot) -> None:
        """Note that a worker has started."""
        self._started.add(slot.node)
        self._failed_in.pop(slot, None)

    def refuse(self, node: str, reason: str) -> None:
        """Leave a node out, because what it runs differs."""
        self.left_out[node] = reason

    def failed_start(self, slot: Slot, reason: str) -> bool:
        """Count a worker that did not start. Returns whether the node is left out from now on."""
        node = slot.node
        self._failed_in[slot] = self._failed_in.get(slot, 0) + 1
        self._failed_starts[node] = self._failed_starts.get(node, 0) + 1
        if node in self._started or self._failed_starts[node] < MOST_DEATHS:
            return False
        self.left_out[node] = f"{counted(MOST_DEATHS, 'worker')} did not start there: {reason}"
        return True

    def death(self, node: str, job: int, others: Collection[str]) -> bool:
        """Count a worker that died at a job.

        A job that kills workers on several nodes is itself the cause, and no node is blamed for it. The last node is
        never left out.

        Args:
            others: the other nodes with places.

        Returns:
            Whether the node is left out from now on.
        """
        elsewhere = [jobs for other, jobs in self._deaths.items() if other != node and job in jobs]
        if elsewhere:
            for jobs in elsewhere:
                jobs.discard(job)
            return False
        self._deaths.setdefault(node, set()).add(job)
        if len(self._deaths[node]) < MOST_DEATHS or not any(map(self.usable, others)):
            return False
        self.left_out[node] = f"{counted(MOST_DEATHS, 'worker')} died there at different pairs"
        return True
