"""Lends the connections to one cache file, each to one thread at a time.

:class:`~vlmbench.features.cache.space.FeatureSpace` reads and writes through them. The number of connections is the
number of threads that work at the same time.
"""

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
    """Lends connections to one SQLite file to any thread.

    Args:
        path: the file; it is made if it does not exist, unless :meth:`read_only` was called.
        log_bytes: how large the write-ahead log grows before SQLite moves it into the file.
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
        """Lend a connection to this thread alone, until the block ends.

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
            if not current:  # the file was closed meanwhile
                connection.close()

    def read_only(self) -> None:
        """Open the file only for reading from now on: it is another user's, or on a read-only mount or a full disk."""
        self.close()
        # If there is no write-ahead log, SQLite would have to make one, unless it is told that no process writes. If a
        # process does write, a row that is read half-changed fails its check.
        self._mode = "mode=ro" if os.path.exists(f"{self._path}-wal") else "immutable=1"

    def close(self) -> None:
        """Close every connection. A connection that is lent is closed when it comes back."""
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
            connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a new file; an older file keeps its page size
            # Readers and the writer do not wait for each other, and commits need no sync. After a power loss the last
            # commits may be lost, which costs only a recomputation.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={self._log_pages}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection
