"""Shows a run on the terminal: one live line of progress, and one line for each pair that is done.

``vlmbench run`` and ``demo`` use it.
"""

from __future__ import annotations

from threading import Event, Thread
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
from vlmbench.cli.console import hint_lines, stderr
from vlmbench.records import Record
from vlmbench.remarks.base import Remark
from vlmbench.reports.entries import remarks
from vlmbench.reports.scores import interval_text, lacking, score_text
from vlmbench.run.listener import PairResult, Status
from vlmbench.wording import speed_text

MARKS = {
    "done": ("✓", "green"),
    "found": ("=", "cyan"),
    "failed": ("✗", "bold red"),
    "unsupported": ("–", "yellow"),
}


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
        self._finished = 0
        self._console = stderr()
        self._label = ""
        self._doing = "starting"
        self._failures: list[tuple[str, str, str | None]] = []
        self._every_s, self._began, self._ended = every_s, monotonic(), Event()
        self._reports = Thread(target=self._report_now_and_then, daemon=True)
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
        self._ended.set()
        if self._reports.is_alive():
            self._reports.join()
        one_model = len({model for model, _, _ in self._failures}) == 1
        hints = ((task if one_model else f"{model} · {task}", hint) for model, task, hint in self._failures)
        for line in hint_lines(hints):
            self._console.print(f"  {line}", style="dim", soft_wrap=True, markup=False)

    def _report_now_and_then(self) -> None:
        """Print the state of a long run as a line, again and again until the run ends."""
        while not self._ended.wait(self._every_s):
            self._console.print(self._state(), style="dim", soft_wrap=True, markup=False)

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
        self._label = f"[{self._finished + 1}/{self._pairs}] {model} · {task}"
        self._show(self._label, None, "")

    def start(self, stage: str, total: int) -> None:
        """See :class:`~vlmbench.features.progress.Progress`."""
        self._show(f"{self._label} · {stage}", total, stage)

    def advance(self, items: int) -> None:
        """See :class:`~vlmbench.features.progress.Progress`."""
        self._progress.advance(self._task, items)

    def pair_finished(self, result: PairResult) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._finished += 1
        mark, style = MARKS[result.status]
        line = Text.assemble(
            (f"{mark} ", style),
            (f"[{self._finished}/{self._pairs}] ", "dim"),
            f"{result.model} · {result.task}  ",
        )
        if result.record is not None:
            line.append_text(_score(result.record, result.status))
        elif result.failure is not None:
            line.append(f"{result.status}: {result.failure.message}", style=style)
            self._failures.append((result.model, result.task, result.failure.hint))
        self._console.print(line, soft_wrap=True)

    def note(self, message: str) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._console.print(Text.assemble(("note: ", "yellow"), message), soft_wrap=True)

    def remark(self, about: str, remark: Remark) -> None:
        """See :class:`~vlmbench.run.listener.Listener`."""
        self._console.print(
            Text.assemble(("note: ", "yellow"), f"{about}: {remark.sentence}", (f"  [{remark.code}]", "dim")),
            soft_wrap=True,
        )

    def _show(self, description: str, total: int | None, unit: str) -> None:
        self._doing = description
        self._progress.reset(self._task, description=_escape(description), total=total, unit=unit)


def _score(record: Record, status: Status) -> Text:
    main = record.main
    text = Text.assemble(f"{record.main_metric} ", (score_text(main), "bold"))
    if main.ci95 is not None:
        text.append(f"  ({interval_text(main)})", style="dim")
    elif main.value is not None:  # why there is no value is a remark
        text.append(f"  ({lacking(main) or 'no interval'})", style="dim")
    if status == "found":
        text.append("  found on disk; --force runs it again", style="dim")
    if said := remarks(record):
        text.append(f"  {said}", style="yellow")
    return text


def _escape(text: str) -> str:
    """Names are text, never markup."""
    return text.replace("[", "\\[")
