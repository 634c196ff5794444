"""The pictures of a pair: drawn before its record is written, or in the background while the next pair runs."""

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
    """Draws pictures and writes them beside the records. What cannot be drawn is a note: the numbers are done.

    In the background drawing takes time and memory from the next pair, whose record counts both: use it only for runs
    whose costs are not compared. As a context it waits at its end until all pictures are there, whatever ended it.

    Args:
        note: told, in the caller's thread, of pictures that could not be drawn.
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
            if kind is None:  # else what ended the run says more
                raise
        finally:
            if self._thread is not None:
                self._thread.shutdown()

    def before_record(self, record: Record, draw: DrawPictures) -> None:
        """Draw the pictures of a record that is about to be written, so that a record that is found has them all.

        Raises:
            StoreError: they, or those of the pair before, cannot be written.
        """
        if self._thread is None:
            self._finish(record, lambda: self._draw_and_write(record, draw))
        else:
            self._wait()

    def after_record(self, record: Record, draw: DrawPictures) -> None:
        """Start drawing the pictures of a written record in the background, once those of the pair before are there.

        So no more than one pair waits in memory.

        Raises:
            StoreError: those of the pair before cannot be written.
        """
        if self._thread is not None:
            self._wait()
            self._pending = record, self._thread.submit(self._draw_and_write, record, draw)

    def _draw_and_write(self, record: Record, draw: DrawPictures) -> bool:
        """Whether there was anything to draw."""
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
        except StoreError:  # nothing more can be written
            raise
        except Exception as error:  # the numbers are done
            logging.getLogger(__name__).info("unexpected error", exc_info=error)
            said = f"{type(error).__name__}: {error}"
            self._note(f"{record.model.name}, {record.task.name}: its pictures could not be drawn: {said}")


def draws_nothing(record: Record) -> str:
    """The note on a task whose pictures were asked for and whose kind has none."""
    return f"{record.task.name}: a task of kind {record.task.plugin} draws no pictures"
