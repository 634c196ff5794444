"""Keeping the cache under its limit while a run writes to it.

Room is made at three costs, the cheapest first: other spaces that no run has open, the least recently used first; then
this space's own rows from before this run, the oldest first, but none that this run was served; and where neither is
left, nothing more is kept. Rows of this run are never dropped for others of this run: a dataset larger than the limit
would then push out its own beginning, and its next run would find nothing.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from vlmbench.features.cache.files import evict, file_bytes, total_bytes

_STEP_BYTES = 64 * 2**20
_STEPS = 64
_ROW_OVERHEAD_BYTES = 512
"""What a vector takes beside its values: its key twice, and its share of half-filled pages."""
_ROWS_A_TRANSACTION = 100
_MOST_MARKS = 2**26


class Bound:
    """The limit of the cache's folder, as one space that is being written keeps it.

    Sizes are looked at once a step (a 64th of the limit, at most 64 MiB), and a step below the limit is aimed at: one
    run keeps it, and several at once exceed it by no more than a step each.

    Args:
        limit: bytes that the whole folder may take.
        log_bytes: what the space's write-ahead log takes of them.
    """

    def __init__(self, space: Path, limit: int, log_bytes: int, connection: sqlite3.Connection) -> None:
        self._space = space
        self._step = min(limit // _STEPS, _STEP_BYTES)
        # The log is folded into the file after the transaction that fills it, so it takes that one more; and a wrong
        # estimate must not put the folder above its limit, which would cost a whole space when the run ends.
        self._limit = limit - 2 * log_bytes - self._step
        self._budget = 0
        first, last = connection.execute(
            "SELECT (SELECT MIN(rowid) FROM vectors), (SELECT MAX(rowid) FROM vectors)"
        ).fetchone()
        self._first = self._next = first or 0
        self._end = last + 1 if last else 0
        self._served = bytearray(min(self._end - self._first, _MOST_MARKS))

    def served(self, row: int) -> None:
        """This run was served a row: it stays. May be called from any thread."""
        place = row - self._first
        if 0 <= place < len(self._served):
            self._served[place] = 1

    def admits(self, connection: sqlite3.Connection, vectors: int, vector_bytes: int) -> bool:
        """Whether so many vectors still fit, after making room for them where there is none.

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
        """Bytes that may be written still: pages of this file that hold nothing count as room."""
        others = total_bytes(self._space.parent) - file_bytes(self._space)
        pages, free, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return self._limit - others - (pages - free) * size

    def _drop_rows(self, connection: sqlite3.Connection, size: int) -> bool:
        """Drop old rows until so many bytes are free for others. Returns whether there were any."""
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
