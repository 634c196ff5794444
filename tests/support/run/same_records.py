"""Compares the records of runs that were carried out differently."""

from __future__ import annotations

import json
from time import monotonic

from vlmbench.records import Record
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Died, Told, WorkerFacts
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.watching import Ending, Share, tell_plainly

HOW_IT_RAN = frozenset({"started", "seconds", "images_per_second", "peak_memory_bytes", "workers"})
"""The fields of a record's run that may differ between one process and several."""


class Notes(NotesAsWarnings):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


class Watched(Notes):
    """Notes which process did which pair, and when. It is told of every worker."""

    def __init__(self) -> None:
        super().__init__()
        self.pids: dict[int, int] = {}
        self.at_work: dict[int, float] = {}
        self.done: list[tuple[int, float, float]] = []
        """The process, the beginning and the end of each piece that was done."""

    def worker_ready(self, worker: int, facts: WorkerFacts) -> None:
        self.pids[worker] = facts.pid

    def piece_given(self, worker: int, piece: Piece, share: Share | None) -> None:
        self.at_work[worker] = monotonic()

    def piece_finished(self, worker: int, piece: Piece, ending: Ending) -> None:
        if ending == "done":
            self.done.append((self.pids[worker], self.at_work[worker], monotonic()))

    def worker_told(self, worker: int, told: Told) -> None:
        tell_plainly(self, told)

    def worker_died(self, worker: int, died: Died) -> None:
        self.note(f"worker {worker} died: {died.reason}")

    def worker_starting(self, worker: int, slot: Slot) -> None: ...

    def worker_stopped(self, worker: int) -> None: ...

    def piece_retried(self, piece: Piece, reason: str) -> None: ...

    def node_left_out(self, node: str, reason: str) -> None:
        self.note(f"{node} is left out: {reason}")

    @property
    def overlap(self) -> bool:
        """Whether two processes did pieces at the same time."""
        return any(
            one != other and begins < others_end and others_begin < ends
            for one, begins, ends in self.done
            for other, others_begin, others_end in self.done
        )


def same(record: Record) -> dict[str, object]:
    """A record without what differs between two runs: times, memory and threads."""
    plain = json.loads(record.model_dump_json(by_alias=True))
    for name in HOW_IT_RAN:
        plain["run"].pop(name)
    return dict(plain)
