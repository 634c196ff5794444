"""Draws the pictures of a pair before its record is written, or in the background while the next pair runs.

Runs with ``--save-visuals`` and the demo use it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from vlmbench.errors import StoreError
from vlmbench.records import Record
from vlmbench.run.stores import RecordStore
from vlmbench.tasks.base import DrawPictures


class PictureDrawer:
    """Draws pictures and writes them beside the records. A picture that cannot be drawn is a note, not an error.

    Drawing in the background takes time and memory from the next pair, and that pair's record counts both. So use it
    only if costs are not compared. As a context manager, it waits at its end until all pictures exist, even after an
    error.

    Args:
        note: called in the caller's thread with a text about pictures that could not be drawn.
        in_background: draw in a thread, one pair behind the run.
    """

    def __init__(self, store: RecordStore, note: Callable[[str], None], *, in_background: bool) -> None:
        self._store = store
        self._note = note
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="vlmbench-pictures") if in_background else None
        self._pending: tuple[Record, Future[bool]] | None = None

    def __enter__(self) -> PictureDrawer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait()
        except StoreError:
            if kind is None:  # otherwise the error that ended the run matters more
                raise
        finally:
            if self._thread is not None:
                self._thread.shutdown()

    def before_record(self, record: Record, draw: DrawPictures) -> None:
        """Draw the pictures of a record before it is written, so that an existing record has all its pictures.

        Raises:
            StoreError: these pictures, or those of the previous pair, cannot be written.
        """
        if self._thread is None:
            self._finish(record, lambda: self._draw_and_write(record, draw))
        else:
            self._wait()

    def after_record(self, record: Record, draw: DrawPictures) -> None:
        """Start drawing the pictures of a written record in the background, after those of the previous pair are done.

        So only one pair waits in memory.

        Raises:
            StoreError: the pictures of the previous pair cannot be written.
        """
        if self._thread is not None:
            self._wait()
            self._pending = record, self._thread.submit(self._draw_and_write, record, draw)

    def _draw_and_write(self, record: Record, draw: DrawPictures) -> bool:
        """Whether there was a picture to draw."""
        pictures = draw()
        if pictures:
            self._store.write_visuals(record, pictures)
        return bool(pictures)

    def _wait(self) -> None:
        if self._pending is not None:
            (record, drawing), self._pending = self._pending, None
            self._finish(record, drawing.result)

    def _finish(self, record: Record, drawn: Callable[[], bool]) -> None:
        try:
            if not drawn():
                self._note(draws_nothing(record))
        except StoreError:  # later pictures could not be written either
            raise
        except Exception as error:  # the numbers are done
            logging.getLogger(__name__).info("unexpected error", exc_info=error)
            said = f"{type(error).__name__}: {error}"
            self._note(f"{record.model.name}, {record.task.name}: its pictures could not be drawn: {said}")


def draws_nothing(record: Record) -> str:
    """The note on a task whose kind has no pictures although the user asked for them."""
    return f"{record.task.name}: a task of kind {record.task.plugin} draws no pictures"
