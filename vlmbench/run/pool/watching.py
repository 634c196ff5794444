"""Defines what a pool tells about its workers, and how a listener that knows one process only hears it.

The pool in :mod:`vlmbench.run.pool.pool` calls it on the driver's thread. The live table of ``vlmbench run`` and the
account of machine-hours implement it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from vlmbench.markup import one_line
from vlmbench.run.listener import Listener
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Died, Told, WorkerFacts
from vlmbench.run.pool.pieces import Piece

_LONGEST_LINE = 200

Ending = Literal["done", "failed", "lost"]
"""How a try of a piece ended: with an answer, with a failure that is final, or with nothing that is kept."""


@dataclass(frozen=True)
class Share:
    """Which part of a pair a piece is.

    Attributes:
        number: counts from 1.
        of: into how many parts the pair's images are split.
    """

    number: int
    of: int


@runtime_checkable
class WatchesWorkers(Protocol):
    """The capability of listeners that are told about each worker of a pool.

    Workers are named by ``Worker.number``, which is never used twice. Each gets ``worker_starting``, then
    ``worker_ready``, then pieces, and at last ``worker_died`` or ``worker_stopped``. A worker that dies may lack the
    steps between. The pool also calls the plain ``pair_finished`` for each pair, as every executor's driver does.
    """

    def worker_starting(self, worker: int, slot: Slot) -> None:
        """A worker's process is being started."""

    def worker_ready(self, worker: int, facts: WorkerFacts) -> None:
        """A worker has started and is as it should be: the pool has compared its code and packages."""

    def piece_given(self, worker: int, piece: Piece, share: Share | None) -> None:
        """A worker begins with a piece. ``share`` is None if the piece is the whole pair, also after its parts."""

    def worker_told(self, worker: int, told: Told) -> None:
        """A worker calls ``loading``, ``start``, ``advance``, ``note`` or ``remark`` of a listener.

        See :class:`~vlmbench.run.listener.Listener`. The beginning and the end of its pairs are told by other methods.
        """

    def piece_finished(self, worker: int, piece: Piece, ending: Ending) -> None:
        """A worker lives on and its piece has ended. A worker that dies loses its piece without this call."""

    def worker_died(self, worker: int, died: Died) -> None:
        """A worker has died. If it had a piece, this try of it is lost."""

    def worker_stopped(self, worker: int) -> None:
        """The pool has ended a worker, because it is not needed any more or does not fit."""

    def piece_retried(self, piece: Piece, reason: str) -> None:
        """A lost piece waits for its next try.

        Args:
            piece: with the ``attempt`` and ``halvings`` of the next try.
            reason: of the loss, in plain words.
        """

    def node_left_out(self, node: str, reason: str) -> None:
        """A node gets no workers any more.

        Args:
            node: as messages name it, see :class:`~vlmbench.run.pool.crew.Slot`.
            reason: in plain words, such as "2 workers died there".
        """


def watcher_of(listener: Listener) -> WatchesWorkers:
    """Whom a pool tells about its workers: the listener itself if it has the capability."""
    return listener if isinstance(listener, WatchesWorkers) else PlainWatcher(listener)


class PlainWatcher:
    """Tells a listener that knows one process only: models, pairs, remarks and notes, and what went wrong as notes.

    The stages of workers are not told, because such a listener knows one stage at a time.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._slots: dict[int, Slot] = {}
        self._started: set[int] = set()

    def worker_starting(self, worker: int, slot: Slot) -> None:
        """See :class:`WatchesWorkers`."""
        self._slots[worker] = slot

    def worker_ready(self, worker: int, facts: WorkerFacts) -> None:
        """See :class:`WatchesWorkers`."""

    def piece_given(self, worker: int, piece: Piece, share: Share | None) -> None:
        """See :class:`WatchesWorkers`."""
        if piece.job.number not in self._started:
            self._started.add(piece.job.number)
            self._listener.pair_started(piece.job.model.name, piece.job.task.name)

    def worker_told(self, worker: int, told: Told) -> None:
        """See :class:`WatchesWorkers`."""
        tell_plainly(self._listener, told)

    def piece_finished(self, worker: int, piece: Piece, ending: Ending) -> None:
        """See :class:`WatchesWorkers`."""

    def worker_died(self, worker: int, died: Died) -> None:
        """See :class:`WatchesWorkers`."""
        self._listener.note(death_text(self._slots[worker], died))

    def worker_stopped(self, worker: int) -> None:
        """See :class:`WatchesWorkers`."""

    def piece_retried(self, piece: Piece, reason: str) -> None:
        """See :class:`WatchesWorkers`."""
        self._listener.note(retry_text(piece, reason))

    def node_left_out(self, node: str, reason: str) -> None:
        """See :class:`WatchesWorkers`."""
        self._listener.note(left_out_text(node, reason))


def tell_plainly(listener: Listener, told: Told) -> None:
    """Pass on what a worker told, but for its stages."""
    match told.method:
        case "loading":
            listener.loading(*told.arguments)
        case "note":
            listener.note(*told.arguments)
        case "remark":
            listener.remark(*told.arguments)


def death_text(slot: Slot, died: Died) -> str:
    """A sentence about a worker that died. Without a pair no log is kept, so the sentence has its last line."""
    when = " while it started" if died.starting else ""
    why = "it ran out of memory" if died.out_of_memory else died.reason
    lines = died.log.split("\n") if died.starting else []
    last = next((line for line in reversed(lines) if line.strip()), "")
    said = f"; the last that it wrote: {one_line(last, _LONGEST_LINE)}" if last else ""
    return f"worker {slot.number} on {slot.shown} died{when}: {why}{said}"


def retry_text(piece: Piece, reason: str) -> str:
    """A sentence about a piece that is tried again."""
    smaller = f", with batches {2**piece.halvings} times smaller" if piece.halvings else ""
    return f"{piece.job.model.name} on {piece.job.task.name} is tried again{smaller}: {reason}"


def left_out_text(node: str, reason: str) -> str:
    """A sentence about a node that gets no workers any more."""
    return f"{node} is left out from now on: {reason}"
