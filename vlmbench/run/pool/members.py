"""Keeps what the pool knows of each worker, and the order in which places for workers are filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vlmbench.run.pool.crew import Slot, Worker
from vlmbench.run.pool.events import WorkerFacts
from vlmbench.run.pool.pieces import Piece


@dataclass(eq=False)
class Member:
    """A worker of the pool, with what it does."""

    worker: Worker
    facts: WorkerFacts | None = None
    piece: Piece | None = None
    model: str | None = None

    @property
    def node(self) -> str:
        return self.worker.slot.node

    @property
    def idle(self) -> bool:
        return self.facts is not None and self.piece is None


def spread(slots: Iterable[Slot], taken: Counter[str]) -> Iterator[Slot]:
    """Places in an order that fills all nodes evenly, with the number of workers that each has."""
    left = list(slots)
    while left:
        slot = min(left, key=lambda slot: (taken[slot.node], slot.number))
        left.remove(slot)
        taken[slot.node] += 1
        yield slot
