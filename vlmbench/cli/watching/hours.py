"""Adds up the time of workers by model and task: what a run cost, and how much of it was lost or idle.

:class:`SpanRecorder` turns what a pool tells into spans of time, and :func:`worker_seconds` adds them up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Told
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.watching import Ending

Spent = Literal["starting", "loading", "working", "lost", "idle"]


@dataclass(frozen=True)
class Span:
    """What one worker did for some time.

    Attributes:
        what: ``loading`` lasts from a model's name until its first prompts or images. A try that gave nothing is
            ``lost`` as a whole.
        model: "" for ``starting`` and ``idle``.
    """

    worker: int
    node: str
    what: Spent
    seconds: float
    model: str = ""
    task: str = ""


@dataclass(frozen=True)
class Cost:
    """Seconds of workers for one pair or several."""

    loading: float = 0.0
    working: float = 0.0
    lost: float = 0.0

    @property
    def all(self) -> float:
        """The sum."""
        return self.loading + self.working + self.lost

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(self.loading + other.loading, self.working + other.working, self.lost + other.lost)


@dataclass(frozen=True)
class WorkerSeconds:
    """The seconds of all workers of a run.

    Attributes:
        pairs: by model and task, in the order in which they began.
        starting: before a worker could work.
        idle: a worker had nothing to do.
        workers: the number of workers that were started.
        nodes: the number of machines.
    """

    pairs: Mapping[tuple[str, str], Cost]
    starting: float
    idle: float
    workers: int
    nodes: int

    @property
    def spent(self) -> Cost:
        """On all pairs."""
        total = Cost()
        for cost in self.pairs.values():
            total = total.plus(cost)
        return total

    @property
    def all(self) -> float:
        """From the start of each worker to its end."""
        return self.spent.all + self.starting + self.idle


def worker_seconds(spans: Iterable[Span]) -> WorkerSeconds:
    """Add up the time of workers."""
    pairs: dict[tuple[str, str], Cost] = {}
    aside = {"starting": 0.0, "idle": 0.0}
    workers, nodes = set(), set()
    for span in spans:
        workers.add(span.worker)
        nodes.add(span.node)
        if span.what in aside:
            aside[span.what] += span.seconds
        else:
            pair = span.model, span.task
            pairs[pair] = pairs.get(pair, Cost()).plus(Cost(**{span.what: span.seconds}))
    return WorkerSeconds(pairs, aside["starting"], aside["idle"], len(workers), len(nodes))


@dataclass
class _Open:
    """A worker that lives."""

    node: str
    since: float
    ready: bool = False
    piece: Piece | None = None
    loading_since: float | None = None
    loading: float = 0.0


@dataclass
class SpanRecorder:
    """Makes spans of what a pool tells; times are seconds of one clock.

    Attributes:
        spans: those that have ended.
    """

    spans: list[Span] = field(default_factory=list)
    _open: dict[int, _Open] = field(default_factory=dict)

    def starting(self, now: float, worker: int, slot: Slot) -> None:
        """See ``worker_starting`` of :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        self._open[worker] = _Open(slot.node, now)

    def ready(self, now: float, worker: int) -> None:
        """See ``worker_ready``."""
        self._end(now, worker)
        self._open[worker].ready = True

    def given(self, now: float, worker: int, piece: Piece) -> None:
        """See ``piece_given``."""
        self._end(now, worker)
        self._open[worker].piece = piece

    def told(self, now: float, worker: int, told: Told) -> None:
        """See ``worker_told``."""
        own = self._open.get(worker)
        if own is None or own.piece is None:
            return
        if told.method == "loading" and own.loading_since is None:
            own.loading_since = now
        elif told.method == "start":
            self._loaded(now, own)

    def finished(self, now: float, worker: int, ending: Ending) -> None:
        """See ``piece_finished``."""
        self._end(now, worker, lost=ending == "lost")

    def ended(self, now: float, worker: int) -> None:
        """See ``worker_died`` and ``worker_stopped``. A piece that it had is lost."""
        if worker in self._open:
            self._end(now, worker, lost=True)
            del self._open[worker]

    def close(self, now: float) -> None:
        """End what is still open."""
        for worker in list(self._open):
            self.ended(now, worker)

    def _loaded(self, now: float, own: _Open) -> None:
        if own.loading_since is not None:
            own.loading += now - own.loading_since
            own.loading_since = None

    def _end(self, now: float, worker: int, *, lost: bool = False) -> None:
        """End what the worker has done until now."""
        own = self._open[worker]
        seconds = now - own.since
        if own.piece is None:
            self.spans.append(Span(worker, own.node, "idle" if own.ready else "starting", seconds))
        else:
            pair = own.piece.job.model.name, own.piece.job.task.name
            self._loaded(now, own)
            if lost:
                self.spans.append(Span(worker, own.node, "lost", seconds, *pair))
            else:
                parts: tuple[tuple[Spent, float], ...] = (("loading", own.loading), ("working", seconds - own.loading))
                self.spans += [Span(worker, own.node, what, part, *pair) for what, part in parts if part > 0]
        own.since, own.piece, own.loading_since, own.loading = now, None, None, 0.0
