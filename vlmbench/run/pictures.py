"""The pictures of one pair are drawn while the next pair runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from vlmbench.errors import StoreError
from vlmbench.records import Record
from vlmbench.store import ResultStore
from vlmbench.tasks.base import DrawPictures


class PicturesInBackground:
    """Draws in one thread and writes beside the record, one pair behind the run.

    As a context it waits at its end until all pictures are there, whatever ended it.

    Args:
        note: told, in the caller's thread, of pictures that could not be drawn.
    """

    def __init__(self, store: ResultStore, note: Callable[[str], None]) -> None:
        self._store = store
        self._note = note
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vlmbench-pictures")
        self._pending: tuple[Record, Future[bool]] | None = None

    def __enter__(self) -> PicturesInBackground:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait()
        finally:
            self._thread.shutdown()

    def draw(self, record: Record, draw: DrawPictures) -> None:
        """Start with a pair's pictures once those of the pair before are there: no more than one waits in memory.

        Args:
            record: of the pair, already written.

        Raises:
            StoreError: those of the pair before cannot be written.
        """
        self._wait()
        self._pending = record, self._thread.submit(self._draw_and_write, record, draw)

    def _draw_and_write(self, record: Record, draw: DrawPictures) -> bool:
        """Whether there was anything to draw."""
        pictures = draw()
        if pictures:
            self._store.write_visuals(record, pictures)
        return bool(pictures)

    def _wait(self) -> None:
        if self._pending is None:
            return
        (record, drawing), self._pending = self._pending, None
        try:
            if not drawing.result():
                self._note(draws_nothing(record))
        except StoreError:  # nothing more can be written
            raise
        except Exception as error:  # the numbers are done and on disk: a picture less is no failure of the pair
            logging.getLogger(__name__).info("unexpected error", exc_info=error)
            said = f"{type(error).__name__}: {error}"
            self._note(f"{record.model.name}, {record.task.name}: its pictures could not be drawn: {said}")


def draws_nothing(record: Record) -> str:
    """The note on a task whose pictures were asked for and whose kind has none."""
    return f"{record.task.name}: a task of kind {record.task.plugin} draws no pictures"
