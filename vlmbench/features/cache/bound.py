"""Keeps the cache under its limit while a run writes to it.

Room is made in three steps, the cheapest first. First, other spaces are removed that no run has open, the least
recently used first. Then rows of this space are dropped that are older than this run and that it did not use, the
oldest first. If there is still no room, nothing more is kept. Rows of this run are never dropped for other rows of this
run: a dataset larger than the limit would push out its own beginning, and its next run would find nothing.

:class:`~vlmbench.features.cache.space.FeatureSpace` asks a :class:`Bound` before each write.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from vlmbench.features.cache.files import evict, file_bytes, total_bytes

_STEP_BYTES = 64 * 2**20
_STEPS = 64
_ROW_OVERHEAD_BYTES = 512
"""What a vector takes besides its values: its key twice, and its share of half-filled pages."""
_ROWS_A_TRANSACTION = 100
_MOST_MARKS = 2**26


class Bound:
    """The size limit of the cache's folder, kept by one space while it is written.

    Sizes are read once a step (a 64th of the limit, at most 64 MiB), and the target is one step below the limit. So one
    run stays under the limit, and each further run at the same time exceeds it by at most a step.

    Args:
        limit: bytes that the whole folder may take.
        log_bytes: bytes of them that the space's write-ahead log takes.
    """

    def __init__(self, space: Path, limit: int, log_bytes: int, connection: sqlite3.Connection) -> None:
        self._space = space
        self._step = min(limit // _STEPS, _STEP_BYTES)
        # SQLite empties the log only after the transaction that fills it, so the log is counted twice. A step is kept
        # free because a folder above its limit would cost a whole space when the run ends.
        self._limit = limit - 2 * log_bytes - self._step
        self._budget = 0
        first, last = connection.execute(
            "SELECT (SELECT MIN(rowid) FROM vectors), (SELECT MAX(rowid) FROM vectors)"
        ).fetchone()
        self._first = self._next = first or 0
        self._end = last + 1 if last else 0
        self._served = bytearray(min(self._end - self._first, _MOST_MARKS))

    def served(self, row: int) -> None:
        """Mark a row as used by this run, so that it stays. May be called from any thread."""
        place = row - self._first
        if 0 <= place < len(self._served):
            self._served[place] = 1

    def admits(self, connection: sqlite3.Connection, vectors: int, vector_bytes: int) -> bool:
        """Whether this number of vectors fits, after making room for them if necessary.

        Raises:
            sqlite3.Error: the space cannot be read or written.
        """
        needed = vectors * (vector_bytes + _ROW_OVERHEAD_BYTES)
        if needed > self._budget:
            wanted = max(needed, self._step)
            if (room := self._room(connection)) < wanted:
                evict(total_bytes(self._space.parent) - (wanted - room), self._space.parent)
                room = self._room(connection)
            if room < wanted and self._drop_rows(connection, wanted - room):
                room = self._room(connection)
            self._budget = min(room, wanted)
        self._budget -= needed
        return self._budget >= 0

    def _room(self, connection: sqlite3.Connection) -> int:
        """Bytes that may still be written. Empty pages of this file count as room."""
        others = total_bytes(self._space.parent) - file_bytes(self._space)
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return self._limit - others - (pages - free) * size

    def _drop_rows(self, connection: sqlite3.Connection, size: int) -> bool:
        """Drop old rows until ``size`` bytes are free. Returns whether any row was dropped."""
        dropped = 0
        while dropped < size:
            rows = connection.execute(
                "SELECT rowid, LENGTH(value) FROM vectors WHERE rowid >= ? AND rowid < ? ORDER BY rowid LIMIT ?",
                (self._next, self._end, _ROWS_A_TRANSACTION),
            ).fetchall()
            if not rows:
                break
            self._next = rows[-1][0] + 1
            idle = [(row, length) for row, length in rows if not self._was_served(row)]
            with connection:
                connection.executemany("DELETE FROM vectors WHERE rowid = ?", [(row,) for row, _ in idle])
            dropped += sum(length for _, length in idle)
        return dropped > 0

    def _was_served(self, row: int) -> bool:
        place = row - self._first
        return place < len(self._served) and bool(self._served[place])
