"""Who is told how a run goes on: what a listener is, what became of a pair, and the listener of Python callers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from vlmbench.cards import ModelCard
from vlmbench.errors import VlmbenchWarning
from vlmbench.features.progress import Progress, Silent
from vlmbench.records import Failure, Record
from vlmbench.remarks.base import Remark

Status = Literal["done", "found", "failed", "unsupported"]


@dataclass(frozen=True)
class PairResult:
    """What became of one pair.

    Attributes:
        status: done now, found on disk, failed, or unsupported.
        record: the answer, where there is one.
        failure: the reason, where there is none.
        path: the file that holds either.
        visuals: the folder of the pictures that were asked for; None where there are none, or not yet.
        exit_code: what this alone would leave the program with: 2 where the pair names something that does not exist.
    """

    model: str
    task: str
    status: Status
    record: Record | None = None
    failure: Failure | None = None
    path: Path | None = None
    visuals: Path | None = None
    exit_code: int = 0


class Listener(Progress, Protocol):
    """Told how a run goes on."""

    def loading(self, model: ModelCard) -> None:
        """A model is being loaded."""

    def pair_started(self, model: str, task: str) -> None:
        """A pair's work begins."""

    def pair_finished(self, result: PairResult) -> None:
        """A pair is done, found or failed. Its pictures may still be drawn."""

    def note(self, message: str) -> None:
        """Something the user should know."""

    def remark(self, about: str, remark: Remark) -> None:
        """Something that happened to data, prompts, weights or metrics; ``about`` names the model, the task or both."""


class NotesAsWarnings(Silent):
    """The listener for callers that want only the records: notes become Python warnings, all else is ignored."""

    loading = pair_started = pair_finished = Silent.ignore

    def note(self, message: str) -> None:
        """A note becomes a warning."""
        warnings.warn(message, VlmbenchWarning, stacklevel=3)

    def remark(self, about: str, remark: Remark) -> None:
        """A remark becomes a warning."""
        warnings.warn(f"{about}: {remark.sentence}", VlmbenchWarning, stacklevel=3)
