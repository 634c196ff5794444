"""Defines crews: a crew starts workers, sends them pieces, and says what they tell and when they die.

The pool in :mod:`vlmbench.run.pool.pool` decides what is done, where and how often. A crew only carries it out: one
consists of processes of this machine, one of actors of a Ray cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from vlmbench.run.job import RunSettings
from vlmbench.run.pool.events import Event
from vlmbench.run.pool.pieces import Piece


@dataclass(frozen=True)
class Slot:
    """A place for one worker.

    Attributes:
        node: identifies the machine; workers of one node share its disk and caches.
        number: its number on the node.
        shown: how messages and tables name the node.
    """

    node: str
    number: int
    shown: str


class Worker(Protocol):
    """A worker that was started. It does one piece at a time."""

    number: int
    slot: Slot

    def send(self, piece: Piece) -> None:
        """Give it a piece. A worker that has died meanwhile is no error here: the crew tells of its death."""

    def stop(self) -> None:
        """End it at once. The crew does not tell of this death."""


class Crew(Protocol):
    """Workers of one kind. The pool calls it from one thread."""

    shares_cache: bool
    """Whether all workers have one feature cache, so that features need not be carried."""

    def open(self, settings: RunSettings) -> AbstractContextManager[None]:
        """Start what the crew needs. At the end of the block all workers are stopped, even after an error.

        Raises:
            UsageError: the cluster cannot be reached.
        """

    def slots(self) -> Sequence[Slot]:
        """The places for workers now. More may be there later, and places of a node that is gone are not there."""

    def start(self, slot: Slot) -> Worker:
        """Start a worker in a place. It tells ``Ready`` when it can work, or that it died."""

    def events(self, seconds: float) -> Iterator[tuple[Worker, Event]]:
        """What workers have told, in each worker's order. It waits up to this time for the first event."""
