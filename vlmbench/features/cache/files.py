"""Manages the feature cache as files in a folder: where it is, what it holds, what it saved, and how it is kept small.

``vlmbench cache``, ``doctor`` and each run use this module.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from vlmbench.errors import UsageError
from vlmbench.features.cache.lock import hold_alone
from vlmbench.paths import cache_root

DEFAULT_LIMIT_BYTES = 20 * 2**30
_SECONDS_A_DAY = 86_400.0


def index_folder(use_cache: bool = True) -> Path | None:
    """The folder of what is known about data, content by content; None without a cache."""
    return cache_root() / "fingerprints" if use_cache else None


def features_folder(root: Path | None = None) -> Path:
    """The folder of the features in a cache. Without a root it is in :func:`cache_root`."""
    return (root or cache_root()) / "features"


def limit_bytes() -> int:
    """The largest size of the cache in bytes: ``VLMBENCH_CACHE_GIB`` gibibytes, 20 by default.

    Raises:
        UsageError: the variable is not a number above 0.
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


@dataclass(frozen=True)
class Usage:
    """How long a space's encoder worked and what the cache saved, over all runs.

    Attributes:
        encoded: vectors that were computed and timed.
        seconds: the time that this took.
        hits: vectors served from the cache instead.
    """

    encoded: int = 0
    seconds: float = 0.0
    hits: int = 0

    @property
    def saved_seconds(self) -> float:
        """Estimated time of the hits at the mean measured pace; 0 if nothing was ever timed."""
        return self.hits * self.seconds / self.encoded if self.encoded else 0.0


@dataclass(frozen=True)
class SpaceInfo:
    """What one cache file holds.

    Attributes:
        description: what identifies the space (model, precision, …), stored when it was made.
        size: bytes on disk.
        last_used: seconds since the epoch.
        usage: what was encoded, and what was served instead.
    """

    path: Path
    description: Mapping[str, object]
    vectors: int
    size: int
    last_used: float
    usage: Usage


def spaces(folder: Path | None = None) -> list[SpaceInfo]:
    """Every space of the cache, the most recently used first."""
    found = []
    for path, size, used in _files(folder):
        description, vectors, usage = _peek(path)
        found.append(SpaceInfo(path, description, vectors, size, used, usage))
    return sorted(found, key=lambda space: -space.last_used)


def total_bytes(folder: Path | None = None) -> int:
    """The size of every space together."""
    return sum(size for _, size, _ in _files(folder))


def file_bytes(path: Path) -> int:
    """The size of one space: its database and what SQLite keeps beside it."""
    return sum(map(_size, _parts(path)))


@dataclass(frozen=True)
class Cleared:
    """The result of clearing: bytes freed, and the number of spaces that stayed because a run has them open."""

    freed: int
    in_use: int


def clear(root: Path | None = None, *, model: str | None = None, unused_days: float | None = None) -> Cleared:
    """Remove cached features. Without a choice all are removed, and the stored fingerprints of datasets too.

    Args:
        root: the cache; None: :func:`cache_root`.
        model: only features of models whose name matches this pattern (``*`` and ``?``).
        unused_days: only spaces that no run has opened for this number of days.
    """
    freed = in_use = 0
    oldest = time.time() - unused_days * _SECONDS_A_DAY if unused_days is not None else None
    for path, _, used in _files(features_folder(root)):
        if oldest is not None and used > oldest:
            continue
        if model is not None and not fnmatchcase(str(_peek(path)[0].get("model", "")), model):
            continue
        gone = remove_unused(path)
        in_use += gone is None
        freed += gone or 0
    if model is None and unused_days is None:
        freed += sum(map(_unlink, _found((root or cache_root()) / "fingerprints", "*")))
    return Cleared(freed, in_use)


def evict(limit: int, folder: Path | None = None) -> int:
    """Remove the least recently used spaces until the rest fits. A space that a run has open stays.

    Returns:
        The bytes freed.
    """
    held = sorted(_files(folder), key=lambda entry: entry[2])
    excess, freed = sum(size for _, size, _ in held) - limit, 0
    for path, _, _ in held:
        if freed >= excess:
            break
        freed += remove_unused(path) or 0
    return freed


def remove_unused(path: Path) -> int | None:
    """Remove a cache file. Returns the bytes freed; None if a run has it open or this user may not remove it."""
    try:
        lock = hold_alone(path)
    except OSError:  # a folder that cannot be written: nothing can be removed from it
        return None
    if lock is None:
        return None
    freed = sum(_unlink(part) for part in _parts(path))
    lock.release(remove=True)
    return freed


def _files(folder: Path | None) -> list[tuple[Path, int, float]]:
    """(path, bytes, seconds since the epoch) of each file. Files that another run removes meanwhile are left out."""
    found = []
    for path in _found(folder or features_folder(), "*.sqlite"):
        try:
            used = path.stat().st_mtime
        except OSError:
            continue
        found.append((path, file_bytes(path), used))
    return found


def _found(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:  # for example its name is too long: then nothing was ever kept there
        return []


def _parts(path: Path) -> Iterable[Path]:
    return (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm")))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _unlink(path: Path) -> int:
    size = _size(path)
    try:
        path.unlink()
    except OSError:  # another run was faster, or this user may not remove the file
        return 0
    return size


def _peek(path: Path) -> tuple[Mapping[str, object], int, Usage]:
    for mode in ("mode=rw", "immutable=1"):  # the second if the folder cannot be written
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=1.0)) as connection:
                (text,) = connection.execute("SELECT description FROM space").fetchone()
                (vectors,) = connection.execute("SELECT COUNT(*) FROM vectors").fetchone()
                return dict(json.loads(text)), vectors, _usage(connection)
        except (sqlite3.Error, TypeError, ValueError):
            continue
    return {"model": "(unreadable)"}, 0, Usage()


def _usage(connection: sqlite3.Connection) -> Usage:
    try:
        encoded, seconds, hits = connection.execute("SELECT encoded, seconds, hits FROM usage").fetchone()
        return Usage(int(encoded), float(seconds), int(hits))
    except (sqlite3.Error, TypeError, ValueError):  # another version made it, which did not count, or it is damaged
        return Usage()
