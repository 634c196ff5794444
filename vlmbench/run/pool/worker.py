"""Does pieces in a worker's process, and tells the driver what happens. Every crew's workers run it."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from time import monotonic
from typing import Any

import torch

from vlmbench.cards import ModelCard
from vlmbench.errors import WorkerError, unexpected
from vlmbench.features.done_elsewhere import DoneElsewhere
from vlmbench.remarks.base import Remark
from vlmbench.run.job import RunSettings
from vlmbench.run.listener import PairResult
from vlmbench.run.pair import PairAnswer, answer_job, encode_images, failed
from vlmbench.run.pool.events import Answered, Died, Encoded, Event, Prompts, Ready, Told
from vlmbench.run.pool.facts import own_facts
from vlmbench.run.pool.output import flush_output
from vlmbench.run.pool.pieces import Piece
from vlmbench.run.process_state import ProcessState
from vlmbench.storage.once import once_on_this_node

_TELLS_EVERY_S = 0.2
"""The seconds between two messages about progress."""


class TellingListener:
    """A :class:`~vlmbench.run.listener.Listener` that sends every call to the driver.

    Args:
        tell: sends an event.
        on_images: called when the images of a pair begin, after its prompts.
    """

    def __init__(self, tell: Callable[[Event], None], on_images: Callable[[], None]) -> None:
        self._tell = tell
        self._on_images = on_images
        self._items = 0
        self._told = 0.0

    def loading(self, model: ModelCard) -> None:
        self._say("loading", model)

    def pair_started(self, model: str, task: str) -> None:
        self._say("pair_started", model, task)

    def pair_finished(self, result: PairResult) -> None:
        self._say("pair_finished", result)

    def note(self, message: str) -> None:
        self._say("note", message)

    def remark(self, about: str, remark: Remark) -> None:
        self._say("remark", about, remark)

    def start(self, stage: str, total: int) -> None:
        if stage == "images":
            self._on_images()
        self._say("start", stage, total)

    def advance(self, items: int) -> None:
        self._items += items
        if monotonic() - self._told >= _TELLS_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Send the progress that was not sent yet."""
        items, self._items = self._items, 0
        if items:
            self._told = monotonic()
            self._tell(Told("advance", (items,)))

    def _say(self, method: str, *arguments: Any) -> None:
        self.flush()
        self._tell(Told(method, arguments))


@dataclass(frozen=True)
class DrawnPictures:
    """Pictures that are drawn already, in the form of a function, which is picklable."""

    pictures: Mapping[str, bytes]

    def __call__(self) -> Mapping[str, bytes]:
        return self.pictures


class WorkerBody:
    """One worker: it keeps a model and the opened data between pieces.

    Args:
        settings: of the run.
        tell: sends an event to the driver, in the order of the calls. It is called from one thread.
        carries: whether other workers have caches of their own, so that features are sent to the driver.
        run: a token of the run. Of the workers of one machine, the first downloads weights and data, while the others
            wait.

    Raises:
        VlmbenchError: this process cannot work: a plugin fails, or the device cannot be used.
    """

    def __init__(self, settings: RunSettings, tell: Callable[[Event], None], *, carries: bool, run: str) -> None:
        self._tell = tell
        self._carries = carries
        self._listener = TellingListener(tell, self._prompts_are_encoded)
        self._state = ProcessState.of_new_process(settings, self._listener)
        self._state.once = partial(once_on_this_node, run=run, waiting=self._waits)
        if carries:
            self._state.note_new_texts()
        tell(Ready(own_facts(self._state)))

    def do(self, piece: Piece) -> None:
        """Do a piece, and tell its answer. If the device is broken afterwards, the worker says that it has died."""
        self._state.halvings = piece.halvings
        done: Event
        if piece.part is None:
            answer = _without_functions(self._answer(piece))
            broken = self._broken_device() if answer.status == "failed" else None
            done = Answered(piece.number, answer)
        else:
            done, broken = self._encoded(piece)
        self._listener.flush()
        flush_output()  # the log of this piece is read when the driver hears of its end
        self._tell(Died(broken) if broken else done)

    def not_sent(self, piece: Piece, error: Exception) -> Event:
        """What is told of a piece if its answer cannot be sent. Another try would end in the same way."""
        if piece.part is not None:
            return Encoded(piece.number, None)
        problem = unexpected(error)
        told = WorkerError(f"the worker cannot send its answer: {problem.message}", hint=problem.hint)
        return Answered(piece.number, failed(piece.job, told, datetime.now(timezone.utc)))

    def finish(self) -> None:
        """End the worker's work: release the cache."""
        self._state.finish()

    def _waits(self, what: str, seconds: float) -> None:
        self._listener.note(f"{platform.node()}: waits for another worker that fetches the {what}")

    def _answer(self, piece: Piece) -> PairAnswer:
        self._listener.pair_started(piece.job.model.name, piece.job.task.name)
        done = DoneElsewhere(
            counts=piece.done,
            images=[carried.rows for carried in piece.carried if carried.of == "images"],
            texts=[carried.rows for carried in piece.carried if carried.of == "texts"],
        )
        return answer_job(piece.job, self._state, done)

    def _encoded(self, piece: Piece) -> tuple[Encoded, str | None]:
        part = piece.part
        assert part is not None  # `do` has looked
        self._listener.pair_started(piece.job.model.name, piece.job.task.name)
        try:
            encoded = encode_images(piece.job, self._state, part.start, part.stop, carry=self._carries)
        except Exception as error:  # the whole pair meets it again, and reports it
            logging.getLogger(__name__).info("a part was not encoded", exc_info=unexpected(error))
            return Encoded(piece.number, None), self._broken_device()
        if encoded is None:
            return Encoded(piece.number, None), None
        return Encoded(piece.number, encoded.counts, encoded.rows), None

    def _prompts_are_encoded(self) -> None:
        self._tell(Prompts(self._state.new_texts() if self._carries else None))

    def _broken_device(self) -> str | None:
        """Why the device cannot compute any more; None if it can. An error of a GPU stays until the process ends."""
        try:
            torch.ones(1, device=self._state.device).sum().item()
        except RuntimeError as error:
            return f"its device {self._state.device!r} cannot compute any more: {str(error).splitlines()[0]}"
        return None


def _without_functions(answer: PairAnswer) -> PairAnswer:
    """The answer with its pictures drawn, since the function that draws them may not be picklable."""
    if answer.pictures is None:
        return answer
    try:
        return replace(answer, pictures=DrawnPictures(dict(answer.pictures())))
    except Exception as error:
        return replace(answer, pictures=FailedPictures(f"{type(error).__name__}: {error}"))


@dataclass(frozen=True)
class FailedPictures:
    """Pictures that a worker could not draw. Calling it raises what happened, and the driver makes a note of it."""

    reason: str

    def __call__(self) -> Mapping[str, bytes]:
        raise RuntimeError(self.reason)
