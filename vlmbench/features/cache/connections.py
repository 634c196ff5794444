"""Connections to one cache file: as many as work at the same time, each lent to one thread after the other."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BUSY_SECONDS = 60.0
_PAGE_BYTES = 16_384
"""80,000 vectors of 512 numbers take 191 MB in pages of this size and 332 MB in SQLite's own 4,096 bytes."""


class Connections:
    """What reads and writes one SQLite file, from any thread.

    Args:
        path: the file; made where it is not there, unless :meth:`read_only` was called.
        log_bytes: how large the write-ahead log grows before it is folded into the file.
    """

    def __init__(self, path: Path, log_bytes: int) -> None:
        self._path = path
        self._log_pages = max(1, log_bytes // _PAGE_BYTES)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._generation = 0
        self._mode = ""

    @contextmanager
    def lent(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone, until the block ends.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        with self._lock:
            generation = self._generation
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            yield connection
        finally:
            with self._lock:
                current = generation == self._generation
                if current:
                    self._idle.append(connection)
            if not current:  # closed meanwhile
                connection.close()

    def read_only(self) -> None:
        """Open the file for reading from now on: another user's, one on a read-only mount or on a full disk."""
        self.close()
        # Without a write-ahead log at hand SQLite would have to make one, unless it is told that nobody writes. Should
        # somebody write after all, a row that is read half-changed fails its check.
        self._mode = "mode=ro" if os.path.exists(f"{self._path}-wal") else "immutable=1"

    def close(self) -> None:
        """Close every connection; one that is lent, when it comes back."""
        with self._lock:
            self._generation += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        target = f"{self._path.absolute().as_uri()}?{self._mode}" if self._mode else str(self._path)
        connection = sqlite3.connect(target, uri=bool(self._mode), timeout=_BUSY_SECONDS, check_same_thread=False)
        if self._mode:
            return connection
        try:
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new file; an older one keeps its own
            # Readers and the writer do not wait for each other, and commits need no sync: after a power loss the last
            # ones may be gone, which costs only a recomputation.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={self._log_pages}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection
