"""Keeps what the pool knows of each worker, and the order in which places for workers are filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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


def places_for_lost(
    queue: Iterable[Piece], died_on: Mapping[int, set[str]], members: Iterable[Member], free: list[Slot]
) -> list[Slot]:
    """Free places for a piece that no worker may take, because it was lost on the nodes of them all.

    Args:
        died_on: the nodes on which workers died, by the number of their job.
    """
    nodes = {member.node for member in members}
    for piece in queue:
        bad = died_on.get(piece.job.number, set())
        if nodes <= bad and (found := [slot for slot in free if slot.node not in bad]):
            return found
    return []
