"""Reads what workers write to standard output and error, by descriptor, so that C libraries count too.

Each crew sends a worker's output into a file. A worker writes everything out when its piece ends, and the crew reads
the end of the file then.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys

from vlmbench.run.pool.log_text import MOST_LOG_BYTES, cleaned


def flush_output() -> None:
    """Write out what Python and the C library of this process still hold back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:  # the disk is full, or something has closed the stream
            logging.getLogger(__name__).info("not flushed", exc_info=error)
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


def written_since(descriptor: int, start: int) -> str:
    """The end of a file as :func:`~vlmbench.run.pool.log_text.cleaned` has it, without what is before a position.

    The position of the file is not moved, because it is the position at which the worker writes.

    Raises:
        OSError: the file cannot be read.
    """
    most = 2 * MOST_LOG_BYTES  # colours and progress bars fall away
    begin = max(start, os.fstat(descriptor).st_size - most)
    return cleaned(os.pread(descriptor, most, begin), left_out=begin - start)
