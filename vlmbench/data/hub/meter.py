"""How much of a download has arrived, whichever way it comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Event
from typing import BinaryIO

Advance = Callable[[int], None]
"""Told of bytes that have arrived; fewer than none when a broken file is begun anew."""


class Meter:
    """How much of one file has arrived, told as differences, so that the sum over all files comes out right."""

    def __init__(self, advance: Advance, expected: int) -> None:
        self._advance = advance
        self._left = expected

    def add(self, count: int) -> None:
        """So many more bytes."""
        self._left -= count
        self._advance(count)

    def restart(self, size: int) -> None:
        """All of it is to come again."""
        self.add(self._left - size)

    def finish(self) -> None:
        """It is complete, whoever brought the rest."""
        self.add(self._left)

    def as_bar(self) -> type:
        """A class that the client takes for a progress bar's."""
        meter = self

        class Bar:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def update(self, count: float | None = 1) -> None:
                meter.add(int(count or 0))

            def _ignore(self, *_: object, **__: object) -> None:
                pass

            update_transfer = set_postfix_str = set_transfer_postfix_str = _ignore
            set_description = set_description_str = refresh = close = _ignore

        return Bar


class CountedFile:
    """The file that a download is written to: counts, keeps what it was given, and ends when the caller has left."""

    def __init__(self, stream: BinaryIO, meter: Meter, stop: Event) -> None:
        self._stream = stream
        self._meter = meter
        self._stop = stop
        self.seek = stream.seek
        self.tell = stream.tell

    def write(self, chunk: bytes) -> int:
        """Write through to the disk's cache: it survives this process."""
        if self._stop.is_set():
            raise InterruptedError("the download was given up")
        written = self._stream.write(chunk)
        self._stream.flush()
        self._meter.add(len(chunk))
        return written

    def truncate(self) -> int:
        """The server does not resume: what was there comes again."""
        before = os.fstat(self._stream.fileno()).st_size
        after = self._stream.truncate()
        self._meter.add(after - before)
        return after
