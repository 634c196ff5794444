"""Shows a run on the terminal: one live line of progress, and one line for each pair that is done.

``vlmbench run`` and ``demo`` use it.
"""

from __future__ import annotations

from time import monotonic
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vlmbench.cards import ModelCard
from vlmbench.cli.console import stderr
from vlmbench.cli.watching.lines import RunLines
from vlmbench.cli.watching.now_and_then import NowAndThen
from vlmbench.remarks.base import Remark
from vlmbench.run.listener import PairResult
from vlmbench.wording import speed_text


class RateColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """The rate so far, with its unit."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed_text(speed)} {task.fields.get('unit', 'items')}/s", style="dim")


class TerminalListener:
    """Shows a run on standard error: live progress in a terminal, a line about the progress once a minute elsewhere.

    Finished pairs and notes are lines in both. What to do about failures comes at the end, each hint once.

    Args:
        pairs: how many pairs the plan has.
        every_s: the seconds between two lines about the progress, if there is no terminal.
    """

    def __init__(self, pairs: int, *, every_s: float = 60.0) -> None:
        self._pairs = pairs
        self._console = stderr()
        self._lines = RunLines(self._console, pairs)
        self._label = ""
        self._doing = "starting"
        self._began = monotonic()
        self._reports = NowAndThen(lambda: self._lines.aside(self._state()), every_s)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TextColumn("elapsed,", style="dim"),
            TimeRemainingColumn(),
            TextColumn("left", style="dim"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> TerminalListener:
        self._progress.start()
        if not self._console.is_terminal:
            self._reports.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        self._reports.stop()
        self._lines.hints()

    def _state(self) -> str:
        task = self._progress.tasks[0]
        done = f" {task.completed:,.0f} of {task.total:,.0f}" if task.total else ""
        minutes = (monotonic() - self._began) / 60
        return f"… {self._doing}{done}, after {minutes:,.0f} min"

    def loading(self, model: ModelCard) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._show(f"loading {model.name}", None, "")

    def pair_started(self, model: str, task: str) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._label = f"[{self._lines.finished + 1}/{self._pairs}] {model} · {task}"
        self._show(self._label, None, "")

    def start(self, stage: str, total: int) -> None:
        """See :class:`~vlmbench.features.progress.Progress`."""
        self._show(f"{self._label} · {stage}", total, stage)

    def advance(self, items: int) -> None:
        """See :class:`~vlmbench.features.progress.Progress`."""
        self._progress.advance(self._task, items)

    def pair_finished(self, result: PairResult) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._lines.pair_finished(result)

    def note(self, message: str) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._lines.note(message)

    def remark(self, about: str, remark: Remark) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._lines.remark(about, remark)

    def _show(self, description: str, total: int | None, unit: str) -> None:
        self._doing = description
        self._progress.reset(self._task, description=_escape(description), total=total, unit=unit)


def _escape(text: str) -> str:
    """Names are text, never markup."""
    return text.replace("[", "\\[")
