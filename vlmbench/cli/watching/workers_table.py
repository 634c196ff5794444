"""Shows a run with several workers on the terminal: one live table, and a line for each pair that is done.

``vlmbench run`` uses it if the executor has workers. :mod:`.workers` keeps what they do, :mod:`.layout` makes lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from time import monotonic
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from vlmbench.cards import ModelCard
from vlmbench.cli.console import stderr
from vlmbench.cli.watching.hours import SpanRecorder, WorkerSeconds, worker_seconds
from vlmbench.cli.watching.layout import table_lines, totals_line
from vlmbench.cli.watching.lines import RunLines
from vlmbench.cli.watching.now_and_then import NowAndThen
from vlmbench.cli.watching.workers import Workers
from vlmbench.remarks.base import Remark
from vlmbench.run.listener import PairResult
from vlmbench.run.pool.crew import Slot
from vlmbench.run.pool.events import Died, Told, WorkerFacts
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.pool.watching import Ending, Share, death_text, left_out_text, retry_text

_REFRESHES_A_SECOND = 4


class WorkersTable:
    """Shows a run on standard error: a live table in a terminal, a line about the progress once a minute elsewhere.

    It is a :class:`~vlmbench.run.listener.Listener` and a :class:`~vlmbench.run.pool.watching.WatchesWorkers`.
    Finished pairs, notes and failures are lines above the table. What to do about failures comes at the end.

    Args:
        pairs: how many pairs the plan has.
        sizes: (model, task, samples) of each pair, as far as they are known.
        every_s: the seconds between two lines about the progress, if there is no terminal.
    """

    def __init__(self, pairs: int, sizes: Iterable[tuple[str, str, int]] = (), *, every_s: float = 60.0) -> None:
        self._console = stderr()
        self._lines = RunLines(self._console, pairs)
        self._workers = Workers(pairs, sizes, monotonic())
        self._spans = SpanRecorder()
        self._slots: dict[int, Slot] = {}
        self._lock = Lock()  # the thread that draws reads what the driver's thread writes
        self._live = Live(
            _Drawn(self),
            console=self._console,
            refresh_per_second=_REFRESHES_A_SECOND,
            transient=True,
            vertical_overflow="crop",
        )
        self._reports = NowAndThen(lambda: self._lines.aside(self.state()), every_s)
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal

    def __enter__(self) -> WorkersTable:
        if self._is_live:
            self._live.start()
        else:
            self._reports.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()
        self._reports.stop()
        self._spans.close(monotonic())
        self._lines.hints()

    def spent(self) -> WorkerSeconds:
        """The time of all workers until now."""
        return worker_seconds(self._spans.spans)

    def state(self) -> str:
        """A line about the progress."""
        with self._lock:
            return f"…{totals_line(self._workers.totals(monotonic())).plain}"

    def drawn(self, width: int, height: int) -> RenderResult:
        """The lines of the table now."""
        now = monotonic()
        with self._lock:
            rows, totals = self._workers.rows(now), self._workers.totals(now)
        yield from table_lines(rows, totals, width, height)

    def worker_starting(self, worker: int, slot: Slot) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        with self._lock:
            self._slots[worker] = slot
            self._workers.starting(worker, slot)
            self._spans.starting(monotonic(), worker, slot)

    def worker_ready(self, worker: int, facts: WorkerFacts) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        with self._lock:
            self._workers.ready(worker, facts)
            self._spans.ready(monotonic(), worker)

    def piece_given(self, worker: int, piece: Piece, share: Share | None) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        now = monotonic()
        with self._lock:
            self._workers.given(now, worker, piece, share)
            self._spans.given(now, worker, piece)

    def worker_told(self, worker: int, told: Told) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        if told.method == "note":
            self.note(*told.arguments)
        elif told.method == "remark":
            self.remark(*told.arguments)
        else:
            now = monotonic()
            with self._lock:
                self._workers.told(now, worker, told)
                self._spans.told(now, worker, told)

    def piece_finished(self, worker: int, piece: Piece, ending: Ending) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        now = monotonic()
        with self._lock:
            self._workers.piece_ended(now, worker, piece, ending)
            self._spans.finished(now, worker, ending)

    def worker_died(self, worker: int, died: Died) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        self._ended(worker, died=True)
        self.note(death_text(self._slots[worker], died))

    def worker_stopped(self, worker: int) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        self._ended(worker, died=False)

    def piece_retried(self, piece: Piece, reason: str) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        self.note(retry_text(piece, reason))

    def node_left_out(self, node: str, reason: str) -> None:
        """See :class:`~vlmbench.run.pool.watching.WatchesWorkers`."""
        with self._lock:
            self._workers.left_out += 1
        self.note(left_out_text(node, reason))

    def pair_finished(self, result: PairResult) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        with self._lock:
            self._workers.pair_finished(result.model, result.task, result.status)
        self._lines.pair_finished(result)

    def note(self, message: str) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._lines.note(message)

    def remark(self, about: str, remark: Remark) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._lines.remark(about, remark)

    def loading(self, model: ModelCard) -> None:
        """The driver loads no model for its workers."""

    def pair_started(self, model: str, task: str) -> None:
        """``piece_given`` tells more."""

    def start(self, stage: str, total: int) -> None:
        """The driver encodes nothing for its workers."""

    def advance(self, items: int) -> None:
        """The driver encodes nothing for its workers."""

    def _ended(self, worker: int, *, died: bool) -> None:
        with self._lock:
            self._workers.ended(worker, died=died)
            self._spans.ended(monotonic(), worker)


class _Drawn:
    """The table as Rich draws it, again and again, in the window's size at that time."""

    def __init__(self, table: WorkersTable) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._table.drawn(options.max_width, console.height)
