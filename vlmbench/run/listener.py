"""Listeners, which a run tells how it goes on; the result of a pair; and the listener of Python callers."""

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
    """The result of one pair.

    Attributes:
        status: done now, found on disk, failed, or unsupported.
        record: the answer, if the pair has one.
        failure: the reason, if the pair has no record.
        path: the file that holds the record or the failure; None if nothing was written.
        visuals: the folder of the pictures that the user asked for; None if no picture is drawn yet.
        exit_code: the program's exit code if this were the only pair: 2 if it names something that does not exist.
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
