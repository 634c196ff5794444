"""Keeps what a worker's process writes to standard output and error, also from C libraries, in a file of its own.

A worker is captured for its whole life and begins the file anew with each piece. So the file of a worker that died is
about the piece that killed it.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmbench.run.pool.log_text import MOST_LOG_BYTES, cleaned

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


class Captured:
    """What was written since the last :meth:`begin`.

    Args:
        descriptor: of the file, opened for reading and appending.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def begin(self) -> None:
        """Forget what was written."""
        flush_output()
        os.ftruncate(self._descriptor, 0)

    def end(self) -> str:
        """The end of what was written, see :func:`~vlmbench.run.pool.log_text.cleaned`."""
        flush_output()
        return _end_of(self._descriptor)


@contextmanager
def captured(folder: Path) -> Iterator[Captured]:
    """Send the output of this process into a file of a folder, until the end of the block.

    Python's own streams, warnings and logging are included, even if something had replaced ``sys.stdout``. The file is
    removed at the end; it stays if the process dies, for :func:`left_by`.

    Raises:
        OSError: the file cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = _file(folder, os.getpid())
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    streams = sys.stdout, sys.stderr
    flush_output()
    kept = os.dup(STANDARD_OUTPUT), os.dup(STANDARD_ERROR)
    try:
        for standard in (STANDARD_OUTPUT, STANDARD_ERROR):
            os.dup2(descriptor, standard)
        sys.stdout, sys.stderr = (_stream(standard) for standard in (STANDARD_OUTPUT, STANDARD_ERROR))
        yield Captured(descriptor)
    finally:
        flush_output()
        sys.stdout, sys.stderr = streams
        for standard, own in zip((STANDARD_OUTPUT, STANDARD_ERROR), kept, strict=True):
            os.dup2(own, standard)
            os.close(own)
        os.close(descriptor)
        file.unlink(missing_ok=True)


def left_by(folder: Path, pid: int) -> str:
    """The end of what a dead process wrote into its file of a folder; "" if there is no such file. Removes the file."""
    file = _file(folder, pid)
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return _end_of(descriptor)
    finally:
        os.close(descriptor)
        file.unlink(missing_ok=True)


def flush_output() -> None:
    """Write out what Python and the C library of this process still hold back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:  # the terminal is gone, or something has closed the stream
            logging.getLogger(__name__).info("not flushed", exc_info=error)
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def _file(folder: Path, pid: int) -> Path:
    return folder / f"worker-{pid}.log"


def _stream(standard: int) -> io.TextIOWrapper:
    """A stream that writes each line at once, so that lines of Python and of C libraries stay in their order."""
    raw = io.FileIO(standard, "wb", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def _end_of(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    start = max(0, size - 2 * MOST_LOG_BYTES)  # colours and progress bars fall away
    pieces: list[bytes] = []
    while start < size and (piece := os.pread(descriptor, size - start, start)):
        pieces.append(piece)
        start += len(piece)
    return cleaned(b"".join(pieces), left_out=max(0, size - 2 * MOST_LOG_BYTES))
