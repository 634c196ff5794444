"""Keeps what each worker of a run does now, and how fast. The live table shows snapshots of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from vlmbench.cli.watching.time_left import TimeLeft, time_left
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Told, WorkerFacts
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.watching import Ending, Share

WINDOW_S = 15.0
"""A worker's speed is that of the last seconds. A longer time would hide that it has become slow."""
_SOONEST_S = 2.0
"""The time left is not estimated from less."""


@dataclass(frozen=True)
class Row:
    """What a worker does at a moment.

    Attributes:
        doing: "starting", "idle", "opening" (the data), "loading" (the model), or a stage, such as "images".
        done: the part of the stage that is done; None if it has no length.
        speed: images a second.
        left: the seconds that the piece still takes.
    """

    node: str
    number: int
    device: str
    doing: str
    model: str = ""
    task: str = ""
    share: Share | None = None
    done: float | None = None
    speed: float | None = None
    left: float | None = None


@dataclass(frozen=True)
class Totals:
    """The whole run at a moment. Times are seconds."""

    pairs: int
    finished: int
    failed: int
    lost: int
    left_out: int
    workers: int
    speed: float
    elapsed: float
    left: TimeLeft


@dataclass
class _Worker:
    slot: Slot
    device: str = ""
    ready: bool = False
    piece: Piece | None = None
    share: Share | None = None
    since: float = 0.0
    loading: bool = False
    loading_since: float = 0.0
    loading_for: float = 0.0
    stage: str = ""
    stage_since: float = 0.0
    items: int = 0
    total: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def pair(self) -> tuple[str, str]:
        assert self.piece is not None
        return self.piece.job.model.name, self.piece.job.task.name

    @property
    def part_done(self) -> float:
        """The part of the images of its piece that is done."""
        return min(1.0, self.items / self.total) if self.stage == "images" and self.total else 0.0

    def speed(self, now: float) -> float | None:
        if self.stage != "images" or self.loading or self.part_done == 1:
            return None
        while self.recent and self.recent[0][0] < now - WINDOW_S:
            self.recent.popleft()
        seconds = min(WINDOW_S, now - self.stage_since)
        items = sum(count for _, count in self.recent)
        return items / seconds if seconds > 0.5 and items else None

    def left(self, now: float) -> float | None:
        done, seconds = self.part_done, now - self.stage_since
        return seconds * (1 - done) / done if 0 < done < 1 and seconds >= _SOONEST_S else None


class Workers:
    """The workers of a run, as its pool tells of them. Times are seconds of one clock.

    Args:
        pairs: how many pairs the run has.
        sizes: (model, task, samples) of each pair, as far as they are known.
        now: when the run began.
    """

    def __init__(self, pairs: int, sizes: Iterable[tuple[str, str, int]], now: float) -> None:
        self._pairs, self._began = pairs, now
        self._sizes: dict[tuple[str, str], list[int]] = {}
        for model, task, size in sizes:
            self._sizes.setdefault((model, task), []).append(size)
        self._todo: dict[str, int] = {}
        for (model, _), counts in self._sizes.items():
            self._todo[model] = self._todo.get(model, 0) + sum(counts)
        self._workers: dict[int, _Worker] = {}
        self._parts_done: dict[tuple[str, str], float] = {}
        self._seconds_of: dict[tuple[str, str], float] = {}
        self._speeds: dict[str, tuple[float, int]] = {}
        self.finished = self.failed = self.lost = self.left_out = 0

    def starting(self, worker: int, slot: Slot) -> None:
        """See ``worker_starting`` of :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        self._workers[worker] = _Worker(slot)

    def ready(self, worker: int, facts: WorkerFacts) -> None:
        """See ``worker_ready``."""
        self._workers[worker].device, self._workers[worker].ready = facts.device, True

    def given(self, now: float, worker: int, piece: Piece, share: Share | None) -> None:
        """See ``piece_given``."""
        old = self._workers[worker]
        self._workers[worker] = _Worker(old.slot, old.device, True, piece, share, now)

    def told(self, now: float, worker: int, told: Told) -> None:
        """See ``worker_told``. Notes and remarks are no states."""
        own = self._workers.get(worker)
        if own is None or own.piece is None:
            return
        if told.method == "loading":
            own.loading, own.loading_since = True, now
        elif told.method == "start":
            if own.loading:
                own.loading_for += now - own.loading_since
            own.loading = False
            own.stage, own.total = told.arguments
            own.stage_since, own.items = now, 0
            own.recent.clear()
        elif told.method == "advance":
            own.items += told.arguments[0]
            own.recent.append((now, told.arguments[0]))

    def piece_ended(self, now: float, worker: int, piece: Piece, ending: Ending) -> None:
        """See ``piece_finished``."""
        own = self._workers[worker]
        if ending == "lost":
            self.lost += 1
        elif own.piece is not None:
            self._seconds_of[own.pair] = self._seconds_of.get(own.pair, 0.0) + now - own.since - own.loading_for
            if own.share is not None:
                self._parts_done[own.pair] = self._parts_done.get(own.pair, 0.0) + 1 / own.share.of
        self._workers[worker] = _Worker(own.slot, own.device, ready=True)

    def ended(self, worker: int, *, died: bool) -> None:
        """See ``worker_died`` and ``worker_stopped``."""
        own = self._workers.pop(worker, None)
        self.lost += died and own is not None and own.piece is not None

    def pair_finished(self, model: str, task: str, status: str) -> None:
        """A pair has a result."""
        self.finished += 1
        self.failed += status == "failed"
        pair = model, task
        seconds, sizes = self._seconds_of.pop(pair, None), self._sizes.get(pair, [])
        self._parts_done.pop(pair, None)
        if not sizes:
            return
        size = sizes.pop()
        self._todo[model] -= size
        if status == "done" and seconds is not None and size:
            before, samples = self._speeds.get(model, (0.0, 0))
            self._speeds[model] = before + seconds, samples + size

    def rows(self, now: float) -> list[Row]:
        """What each worker does, by node and number."""
        every = sorted(self._workers.values(), key=lambda own: (own.slot.shown, own.slot.node, own.slot.number))
        return [self._row(own, now) for own in every]

    def totals(self, now: float) -> Totals:
        """The whole run."""
        return Totals(
            pairs=self._pairs,
            finished=self.finished,
            failed=self.failed,
            lost=self.lost,
            left_out=self.left_out,
            workers=len(self._workers),
            speed=sum(own.speed(now) or 0.0 for own in self._workers.values()),
            elapsed=now - self._began,
            left=self._left(now),
        )

    def _row(self, own: _Worker, now: float) -> Row:
        slot = own.slot
        if own.piece is None:
            return Row(slot.shown, slot.number, own.device, "idle" if own.ready else "starting")
        doing, done = own.stage or "opening", (own.items / own.total if own.total else None)
        if own.loading:
            doing, done = "loading", None
        elif own.stage == "images" and done is not None and done >= 1:
            doing, done = "metrics", None
        return Row(
            slot.shown, slot.number, own.device, doing, *own.pair, own.share, done, own.speed(now), own.left(now)
        )

    def _left(self, now: float) -> TimeLeft:
        at_work = [own for own in self._workers.values() if own.piece is not None]
        done = dict(self._parts_done)
        for own in at_work:
            done[own.pair] = done.get(own.pair, 0.0) + own.part_done / (own.share.of if own.share else 1)
        samples: dict[str, float] = dict(self._todo)
        for pair, part in done.items():
            if sizes := self._sizes.get(pair):
                samples[pair[0]] -= min(1.0, part) * sizes[-1]
        longest = max((own.left(now) or 0.0 for own in at_work), default=0.0)
        found = time_left(samples, self._seconds_a_sample(at_work, now), len(self._workers), longest)
        return found if found.seconds else TimeLeft(None)  # what is left has no images: nothing tells how long it takes

    def _seconds_a_sample(self, at_work: Iterable[_Worker], now: float) -> dict[str, float]:
        """By model: from its finished pairs; before the first of them, from the images of those at work."""
        known = {model: seconds / samples for model, (seconds, samples) in self._speeds.items()}
        running: dict[str, tuple[float, float]] = {}
        for own in at_work:
            model, _ = own.pair
            size = max(self._sizes.get(own.pair, [0]), default=0) / (own.share.of if own.share else 1)
            done, seconds = own.part_done * size, now - own.stage_since
            if model not in known and done and seconds >= _SOONEST_S:
                before = running.get(model, (0.0, 0.0))
                running[model] = before[0] + seconds, before[1] + done
        return known | {model: seconds / done for model, (seconds, done) in running.items()}
