"""Defines listeners, which are told about the progress of a run, and the result of a pair.

The command line has a listener with progress bars; :class:`NotesAsWarnings` is the one of Python callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from vlmbench.cards import ModelCard
from vlmbench.errors import warn_caller
from vlmbench.features.progress import Progress, Silent
from vlmbench.records import Failure, Record
from vlmbench.remarks.base import Remark
from vlmbench.storage.base import Location

Status = Literal["done", "found", "failed", "unsupported"]


@dataclass(frozen=True)
class PairResult:
    """The result of one pair.

    Attributes:
        status: done now, found on disk, failed, or unsupported.
        record: the answer, if there is one.
        failure: the reason, if there is no answer.
        path: the file of the record or failure, as a path or URL.
        visuals: the folder of the requested pictures; None if there are no pictures yet.
        exit_code: the exit code of this result alone: 2 if the pair names something that does not exist.
    """

    model: str
    task: str
    status: Status
    record: Record | None = None
    failure: Failure | None = None
    path: Location | None = None
    visuals: Location | None = None
    exit_code: int = 0


class Listener(Progress, Protocol):
    """Is told about the progress of a run."""

    def loading(self, model: ModelCard) -> None:
        """A model is being loaded."""

    def pair_started(self, model: str, task: str) -> None:
        """The work on a pair begins."""

    def pair_finished(self, result: PairResult) -> None:
        """A pair is done, found or failed. Its pictures may still be drawn."""

    def note(self, message: str) -> None:
        """Something the user should know."""

    def remark(self, about: str, remark: Remark) -> None:
        """Something that happened to data, prompts, weights or metrics; ``about`` names the model, the task or both."""


class NotesAsWarnings(Silent):
    """The listener of callers that want only the records. Notes become Python warnings; the rest is ignored.

    Args:
        told: by a model's name, the sentences about it that the caller has read already. New ones are added.
    """

    def __init__(self, told: Mapping[str, set[str]] | None = None) -> None:
        self._told = told or {}

    loading = pair_started = pair_finished = Silent.ignore

    def note(self, message: str) -> None:
        """A note becomes a warning."""
        warn_caller(message)

    def remark(self, about: str, remark: Remark) -> None:
        """A remark becomes a warning, unless the caller has read it about this model."""
        told = self._told.get(about, set())
        if remark.sentence not in told:
            told.add(remark.sentence)
            warn_caller(f"{about}: {remark.sentence}")
