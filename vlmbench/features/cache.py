"""The feature cache: vectors on disk under the hash of everything that can change them.

A *space* is one encoder as it was loaded: weights, architecture, preprocessing, tokenizer, precision, device type and
library versions. Each space is one SQLite file, whose rows go from the SHA-256 of an image file's bytes or a prompt's
text to a float32 vector with its CRC-32. SQLite gives atomic writes, safe readers beside a writer, and survives
``kill -9``; a row that fails its check is computed again with a warning. SQLite wants a local disk: on a cluster, point
``VLMBENCH_CACHE`` at one.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from vlmbench.errors import UsageError, VlmbenchWarning

Vector = npt.NDArray[np.float32]
DEFAULT_LIMIT_BYTES = 20 * 2**30
_BUSY_SECONDS = 60.0
_SET_UP_ATTEMPTS = 200
_KEYS_A_QUERY = 900
"""SQLite took no more than 999 values a query before its version 3.32."""
_BROKEN = ("malformed", "not a database")
"""What SQLite says of a file that it can never read again."""


def cache_root() -> Path:
    """Where the cache lives: ``VLMBENCH_CACHE``, else the platform's user cache folder."""
    own = os.environ.get("VLMBENCH_CACHE")
    return Path(own).expanduser() if own else Path(platformdirs.user_cache_dir("vlmbench"))


def content_key(content: bytes) -> bytes:
    """The key of an image file or of a prompt's UTF-8 text: its SHA-256, 32 bytes."""
    return sha256(content).digest()


@dataclass(frozen=True)
class SpaceInfo:
    """What one cache file holds.

    Attributes:
        path: the file.
        description: the space in words (model, precision, …), as it was opened.
        vectors: how many vectors it holds.
        size: bytes on disk.
        last_used: seconds since the epoch.
    """

    path: Path
    description: Mapping[str, object]
    vectors: int
    size: int
    last_used: float


class FeatureSpace:
    """The cached vectors of one encoder. Reads from any thread; writes from the thread that opened it.

    A cache that cannot be used (read-only, full, broken beyond reading) turns itself off with one warning: the run
    goes on and computes what it needs.

    Args:
        folder: the cache's ``features`` folder.
        description: everything that can change a vector; its hash names the file.
        dim: length of the vectors.
    """

    def __init__(self, folder: Path, description: Mapping[str, object], dim: int) -> None:
        text = json.dumps(description, sort_keys=True, default=str)
        self.path = folder / f"{sha256(text.encode()).hexdigest()[:32]}.sqlite"
        self._dim = dim
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self.usable = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._set_up(text)
            os.utime(self.path)
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

    def _set_up(self, text: str) -> None:
        """Make the tables where they are not there yet, waiting for another run that is doing the same."""
        for attempt in range(_SET_UP_ATTEMPTS):
            try:
                self._create(text)
                return
            except sqlite3.OperationalError as error:  # SQLite's own waiting does not cover the switch to WAL
                if "locked" not in str(error) or attempt == _SET_UP_ATTEMPTS - 1:
                    raise
                time.sleep(0.05)

    def _create(self, text: str) -> None:
        connection = self._connection()
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS space (description TEXT NOT NULL)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL)"
            )
            if connection.execute("SELECT COUNT(*) FROM space").fetchone() == (0,):
                connection.execute("INSERT INTO space VALUES (?)", (text,))

    def get(self, key: bytes) -> Vector | None:
        """The vector of this key, or None where it is not held or fails its check."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """The vectors of those keys that are held and sound; a damaged one warns and is left out."""
        found: dict[bytes, Vector] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            if not self.usable:
                break
            chosen = keys[start : start + _KEYS_A_QUERY]
            marks = ",".join("?" * len(chosen))
            query = f"SELECT key, value, crc FROM vectors WHERE key IN ({marks})"
            try:
                rows = self._connection().execute(query, chosen).fetchall()
            except sqlite3.Error as error:
                self._fail(error)
                break
            for key, value, crc in rows:
                if self._is_sound(key, value, crc):
                    found[key] = np.frombuffer(value, dtype="<f4")
        return found

    def _is_sound(self, key: bytes, value: object, crc: object) -> bool:
        if isinstance(value, bytes) and zlib.crc32(key + value) == crc and len(value) == 4 * self._dim:
            return True
        warnings.warn(
            f"a cached feature in {self.path} is damaged; it is computed again", VlmbenchWarning, stacklevel=3
        )
        return False

    def put(self, keys: Sequence[bytes], vectors: Vector) -> None:
        """Keep vectors, (N, D) float32, under their N keys.

        Each call is a transaction of its own: no other run ever waits for more than one batch.
        """
        if not self.usable:
            return
        values = np.ascontiguousarray(vectors, dtype="<f4")
        rows = [
            (key, data, zlib.crc32(key + data))
            for key, data in zip(keys, (row.tobytes() for row in values), strict=True)
        ]
        try:
            with self._connection() as transaction:
                transaction.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._fail(error)

    def close(self) -> None:
        """Let go of the file."""
        self.usable = False  # first: a thread that still reads gets None, not a closed connection
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
            # Readers and the writer do not wait for each other, and commits need no sync: after a power loss the last
            # ones may be gone, which costs only a recomputation.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            self._local.connection = connection
            with self._lock:
                self._connections.append(connection)
        return connection

    def _fail(self, error: Exception) -> None:
        if not self.usable:
            return
        self.usable = False
        broken = any(sign in str(error) for sign in _BROKEN)
        if broken:
            _remove(self.path)
        what = "it was broken and has been removed" if broken else "features of this run are not kept"
        warnings.warn(f"the feature cache {self.path} cannot be used ({error}); {what}", VlmbenchWarning, stacklevel=3)


def spaces(root: Path | None = None) -> list[SpaceInfo]:
    """What the cache holds, the most recently used first."""
    found = [
        SpaceInfo(path, *_peek(path), size=size, last_used=used) for path, size, used in _sizes(_space_files(root))
    ]
    return sorted(found, key=lambda space: -space.last_used)


def clear(root: Path | None = None) -> int:
    """Remove every cached feature, and what was remembered of datasets. Returns the bytes freed."""
    remembered = ((root or cache_root()) / "fingerprints").glob("*")
    return sum(_remove(path) for path in [*_space_files(root), *remembered])


def limit_bytes() -> int:
    """The size the cache is kept under: ``VLMBENCH_CACHE_GIB`` gibibytes, 20 by default.

    Raises:
        UsageError: the variable holds no number above 0.
    """
    own = os.environ.get("VLMBENCH_CACHE_GIB")
    if not own:
        return DEFAULT_LIMIT_BYTES
    try:
        gibibytes = float(own)
    except ValueError:
        gibibytes = 0.0
    if not 0 < gibibytes < 2**20:
        raise UsageError(f"VLMBENCH_CACHE_GIB must be a number of gibibytes above 0, not {own!r}")
    return int(gibibytes * 2**30)


def evict(limit: int, root: Path | None = None, *, keep: Iterable[Path] = ()) -> int:
    """Remove the spaces that were used longest ago until the rest fits. Returns the bytes freed.

    Args:
        limit: bytes that may stay.
        root: the cache's folder; None: :func:`cache_root`.
        keep: files in use by this run.
    """
    kept, freed = set(keep), 0
    held = sorted(_sizes(_space_files(root)), key=lambda entry: entry[2])
    total = sum(size for _, size, _ in held)
    for path, _, _ in held:
        if total - freed <= limit:
            break
        if path not in kept:
            freed += _remove(path)
    return freed


def _sizes(paths: Iterable[Path]) -> list[tuple[Path, int, float]]:
    """(path, bytes, seconds since the epoch) of those that are still there: other runs may evict at the same time."""
    found = []
    for path in paths:
        try:
            found.append((path, sum(part.stat().st_size for part in _parts(path)), path.stat().st_mtime))
        except FileNotFoundError:
            continue
    return found


def _space_files(root: Path | None) -> list[Path]:
    return sorted(((root or cache_root()) / "features").glob("*.sqlite"))


def _parts(path: Path) -> list[Path]:
    """The database and the files SQLite keeps beside it."""
    return [part for part in (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm"))) if part.exists()]


def _remove(path: Path) -> int:
    freed = 0
    for part in _parts(path):
        try:
            size = part.stat().st_size
            part.unlink()
            freed += size
        except OSError:  # another run was faster, or the file is not ours to remove: nothing freed here
            continue
    return freed


def _peek(path: Path) -> tuple[Mapping[str, object], int]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=1.0)) as connection:
            text = connection.execute("SELECT description FROM space").fetchone()
            (vectors,) = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()
    except sqlite3.Error:
        return {"model": "(unreadable)"}, 0
    return (json.loads(text[0]) if text else {}), vectors
