"""Stores the vectors of one encoder on disk, under the hash of everything that can change them. The engine uses it.

A *space* is one encoder as it was loaded: weights, architecture, preprocessing, tokenizer, precision, device type, code
and library versions. Each space is one SQLite file, whose rows go from the SHA-256 of an image file's bytes or a
prompt's text to a float32 vector, with a CRC-32 over space, key, value and note. A note tells the user something each
time the vector is used, such as that a text was cut. SQLite gives atomic writes, safe readers beside a writer, and
survives ``kill -9``. A row that fails its check is computed again, with a warning. SQLite needs a local disk: on a
cluster, set ``VLMBENCH_CACHE`` to a folder on one.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmbench.features.cache.bound import Bound
from vlmbench.features.cache.connections import Connections
from vlmbench.features.cache.files import remove_unused
from vlmbench.features.cache.lock import SpaceLock, hold
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import FEATURE_CACHE

Vector = npt.NDArray[np.float32]
_FORMAT = 3
"""The version of the file format. It is part of the file's name, so versions with other formats use other files."""
_SET_UP_SECONDS = 60.0
_KEYS_A_QUERY = 900
"""Before its version 3.32, SQLite took at most 999 values a query."""
_LOG_BYTES = 4 * 2**20
_BROKEN = ("malformed", "not a database")
"""Words of SQLite's errors for a file that it can never read again."""


@dataclass(frozen=True)
class Kept:
    """What the cache holds for one image or text.

    Attributes:
        vector: (D,) float32.
        note: what the user must be told each time the vector is used; empty if there is nothing to tell.
    """

    vector: Vector
    note: str = ""


class ForeignSpaceError(sqlite3.DatabaseError):
    """A cache file whose content belongs to another encoder, because it was copied or renamed."""


def content_key(content: bytes) -> bytes:
    """The key of an image file or of a prompt's UTF-8 text: the SHA-256 of it, 32 bytes."""
    return sha256(content).digest()


class FeatureSpace:
    """The cached vectors of one encoder. Any thread may read; only the thread that opened it may write.

    A cache that cannot be used never stops a run. If it cannot be written (read-only, full, at its limit), it is only
    read. If it is broken, it is made again or turned off. Each case gives one warning.

    Args:
        folder: the cache's ``features`` folder.
        description: everything that can change a vector; its hash names the file.
        dim: length of the vectors.
        limit: bytes that the whole folder may take, see :class:`~vlmbench.features.cache.bound.Bound`; None: no limit.

    Attributes:
        usable: whether it can be read.
        writable: whether it can be written too.
        noted: the keys that were put, if the owner has set a list here; None: they are not noted.
    """

    def __init__(self, folder: Path, description: Mapping[str, object], dim: int, *, limit: int | None = None) -> None:
        self._text = json.dumps(description, sort_keys=True, default=str)
        name = sha256(f"{_FORMAT} {self._text}".encode())
        self.path = folder / f"{name.hexdigest()[:32]}.sqlite"
        self._seed = zlib.crc32(name.digest())
        self._dim = dim
        self._limit = limit
        self._bound: Bound | None = None
        self._log_bytes = _LOG_BYTES if limit is None else min(_LOG_BYTES, limit // 8)
        self._connections = Connections(self.path, self._log_bytes)
        self._in_use: SpaceLock | None = None
        self._turning = threading.Lock()
        self.usable = self.writable = True
        self.noted: list[bytes] | None = None
        self._open()

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._in_use = hold(self.path)
            self._set_up()
            os.utime(self.path)
        except (sqlite3.Error, OSError) as error:
            if _is_broken(error):
                self._make_anew(error)
            elif not self._open_read_only(error):
                self._turn_off(error)

    def _set_up(self) -> None:
        """Make the tables if they do not exist. Waits for another run that does the same."""
        deadline = time.monotonic() + _SET_UP_SECONDS
        while True:
            try:
                with self._connections.lent() as connection:
                    self._create(connection)
                return
            except sqlite3.OperationalError as error:  # SQLite itself does not wait while another run switches to WAL
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _create(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS space (description TEXT NOT NULL)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors "
                "(key BLOB PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL, note BLOB NOT NULL)"
            )
            connection.execute("CREATE TABLE IF NOT EXISTS usage (encoded INTEGER, seconds REAL, hits INTEGER)")
            if connection.execute("SELECT COUNT(*) FROM space").fetchone() == (0,):
                connection.execute("INSERT INTO space VALUES (?)", (self._text,))
            if connection.execute("SELECT COUNT(*) FROM usage").fetchone() == (0,):
                connection.execute("INSERT INTO usage VALUES (0, 0, 0)")
        self._check_description(connection)
        if self._limit is not None:
            self._bound = Bound(self.path, self._limit, self._log_bytes, connection)

    def _check_description(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT description FROM space").fetchone() != (self._text,):
            raise ForeignSpaceError("it holds the features of another encoder")

    def get(self, key: bytes) -> Kept | None:
        """Read one key. Returns None if the cache does not hold it or if its row fails the check."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """Read several keys. Damaged rows are left out, with a remark."""
        found: dict[bytes, Kept] = {}
        damaged = 0
        for start in range(0, len(keys), _KEYS_A_QUERY):
            for row, key, value, crc, note in self._rows(keys[start : start + _KEYS_A_QUERY]):
                whole = isinstance(value, bytes) and isinstance(note, bytes) and len(value) == 4 * self._dim
                if not whole or self._crc(key, value, note) != crc:
                    damaged += 1
                    continue
                found[key] = Kept(np.frombuffer(value, dtype="<f4"), note.decode())
                if self._bound:
                    self._bound.served(row)
        if damaged:
            what = "a cached feature" if damaged == 1 else f"{damaged:,} cached features"
            say(FEATURE_CACHE, f"{what} in {self.path} failed the check and will be computed again")
        return found

    def _rows(self, keys: Sequence[bytes]) -> list[tuple[int, bytes, Any, Any, Any]]:
        if not self.usable:
            return []
        query = f"SELECT rowid, key, value, crc, note FROM vectors WHERE key IN ({','.join('?' * len(keys))})"
        try:
            with self._connections.lent() as connection:
                return connection.execute(query, keys).fetchall()
        except sqlite3.Error as error:
            self._turn_off(error)
            return []

    def put(self, keys: Sequence[bytes], vectors: Vector, notes: Mapping[bytes, str] | None = None) -> None:
        """Store vectors, (N, D) float32, under their N keys, with the notes on some of them.

        Each call is one transaction, so another run never waits for more than one batch.
        """
        if not self.writable:
            return
        values = np.ascontiguousarray(vectors, dtype="<f4")
        said = {key: note.encode() for key, note in (notes or {}).items() if note}
        rows = [
            (key, data, self._crc(key, data, note), note)
            for key, data, note in zip(
                keys, (row.tobytes() for row in values), (said.get(key, b"") for key in keys), strict=True
            )
        ]
        try:
            with self._connections.lent() as connection:
                if self._bound and not self._bound.admits(connection, len(rows), 4 * self._dim):
                    self._stop_writing("it is at its limit; VLMBENCH_CACHE_GIB sets another")
                    return
                with connection:
                    connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            if self.noted is not None:
                self.noted += keys
        except sqlite3.Error as error:
            self._fail_to_write(error)

    def count(self, *, encoded: int, seconds: float, hits: int) -> None:
        """Add to the counts of ``vlmbench cache info``: vectors encoded, their seconds, and vectors served.

        Called once a pair, not once a vector. Nothing is counted if the cache cannot be written.
        """
        if not self.writable or not (encoded or hits):
            return
        timed = (encoded, seconds) if encoded else (0, 0.0)
        try:
            with self._connections.lent() as connection, connection:
                connection.execute(
                    "UPDATE usage SET encoded = encoded + ?, seconds = seconds + ?, hits = hits + ?", (*timed, hits)
                )
        except sqlite3.Error as error:
            self._fail_to_write(error)

    def close(self) -> None:
        """Close the file."""
        self.usable = self.writable = False  # first: no thread starts anything new; a read in progress ends
        self._connections.close()
        if lock := self._taken():
            lock.release()

    def close_and_hold(self) -> SpaceLock | None:
        """Close the file and return its lock, which keeps other runs from removing it; None if there is no lock."""
        lock = self._taken()
        self.close()
        return lock

    def _taken(self) -> SpaceLock | None:
        """Take the lock out of this object, so that threads which find a broken file at once release it only once."""
        with self._turning:
            lock, self._in_use = self._in_use, None
        return lock

    def _crc(self, key: bytes, value: bytes, note: bytes) -> int:
        return zlib.crc32(note, zlib.crc32(value, zlib.crc32(key, self._seed)))

    def _open_read_only(self, error: Exception) -> bool:
        """Open a cache that can only be read: another user's, on a read-only mount, or on a full disk."""
        self._connections.read_only()
        try:
            with self._connections.lent() as connection:
                self._check_description(connection)
        except sqlite3.Error:  # the first error is reported: why it could not be written
            return False
        self._stop_writing(str(error))
        return True

    def _make_anew(self, error: Exception) -> None:
        """Remove a file that can never be read again, and make a new one."""
        self._connections.close()
        if not self._remove():
            self._turn_off(error)
            return
        say(FEATURE_CACHE, f"the feature cache {self.path} was broken ({error}); it has been removed")
        try:
            self._in_use = hold(self.path)
            self._set_up()
        except (sqlite3.Error, OSError) as again:
            self._turn_off(again)

    def _remove(self) -> bool:
        if lock := self._taken():
            lock.release()
        return remove_unused(self.path) is not None

    def _fail_to_write(self, error: sqlite3.Error) -> None:
        if _is_broken(error):
            self._turn_off(error)
        else:
            self._stop_writing(str(error))

    def _stop_writing(self, reason: str) -> None:
        if not self.writable:
            return
        self.writable = False
        say(
            FEATURE_CACHE,
            f"the feature cache {self.path} cannot be written ({reason}); what it holds is used, "
            "but further features of this run are not kept",
        )

    def _turn_off(self, error: Exception) -> None:
        if not self.usable:
            return
        self.usable = self.writable = False
        removed = _is_broken(error) and self._remove()
        what = "it was broken and has been removed" if removed else "features of this run are not kept"
        say(FEATURE_CACHE, f"the feature cache {self.path} cannot be used ({error}); {what}")


def _is_broken(error: Exception) -> bool:
    return isinstance(error, ForeignSpaceError) or any(sign in str(error) for sign in _BROKEN)
