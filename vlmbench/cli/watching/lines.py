"""Prints what stays of a run on the terminal: a line for each pair that is done, notes, and hints at the end.

The listeners of ``vlmbench run`` use it: :mod:`.progress` for this process, :mod:`.workers_table` for several workers.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from vlmbench.cli.console import hint_lines
from vlmbench.records import Record
from vlmbench.remarks.base import Remark
from vlmbench.reports.entries import remarks
from vlmbench.reports.scores import interval_text, lacking, score_text
from vlmbench.run.listener import PairResult, Status

MARKS = {
    "done": ("✓", "green"),
    "found": ("=", "cyan"),
    "failed": ("✗", "bold red"),
    "unsupported": ("–", "yellow"),
}


class RunLines:
    """The lines of a run, in a terminal and elsewhere. What to do about failures comes at the end, each hint once.

    Args:
        pairs: how many pairs the plan has.

    Attributes:
        finished: the number of pairs that have a result.
        failed: the number of those that failed.
    """

    def __init__(self, console: Console, pairs: int) -> None:
        self._console, self._pairs = console, pairs
        self.finished = self.failed = 0
        self._failures: list[tuple[str, str, str | None]] = []

    def pair_finished(self, result: PairResult) -> None:
        """Print the result of a pair."""
        self.finished += 1
        mark, style = MARKS[result.status]
        line = Text.assemble(
            (f"{mark} ", style),
            (f"[{self.finished}/{self._pairs}] ", "dim"),
            f"{result.model} · {result.task}  ",
        )
        if result.record is not None:
            line.append_text(_score(result.record, result.status))
        elif result.failure is not None:
            line.append(f"{result.status}: {result.failure.message}", style=style)
            self._failures.append((result.model, result.task, result.failure.hint))
            self.failed += result.status == "failed"
        self._console.print(line, soft_wrap=True)

    def note(self, message: str) -> None:
        """Print a note."""
        self._console.print(Text.assemble(("note: ", "yellow"), message), soft_wrap=True)

    def remark(self, about: str, remark: Remark) -> None:
        """Print a remark."""
        self._console.print(
            Text.assemble(("note: ", "yellow"), f"{about}: {remark.sentence}", (f"  [{remark.code}]", "dim")),
            soft_wrap=True,
        )

    def aside(self, text: str) -> None:
        """Print a line about the progress."""
        self._console.print(text, style="dim", soft_wrap=True, markup=False)

    def hints(self) -> None:
        """Print what to do about the failures."""
        one_model = len({model for model, _, _ in self._failures}) == 1
        hints = ((task if one_model else f"{model} · {task}", hint) for model, task, hint in self._failures)
        for line in hint_lines(hints):
            self.aside(f"  {line}")


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
