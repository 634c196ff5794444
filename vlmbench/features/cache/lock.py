"""Which cache files are in use: a lock beside each, shared by the runs that have it open, exclusive to remove it.

SQLite allows no one to remove a database that another process has open: a connection opened later would meet another
file under the same name, beside the first one's write-ahead log. So eviction asks here first. The lock is on a file of
its own, since closing any handle of the database would drop SQLite's locks on it. The system releases a lock when its
process ends, however it ends.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":  # which refuses to remove an open file by itself
    import fcntl


class SpaceLock:
    """A lock that is held until :meth:`release`."""

    def __init__(self, path: Path, handle: int | None) -> None:
        self._path = path
        self._handle = handle

    def release(self, *, remove: bool = False) -> None:
        """Let go; ``remove`` the lock's file too, which only the holder of an exclusive lock may do."""
        if self._handle is not None:
            if remove:
                with suppress(OSError):  # a folder that cannot be written: an empty file stays
                    self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None


def hold(space: Path) -> SpaceLock:
    """Mark a cache file as in use. Waits only while another run is removing it.

    Raises:
        OSError: the lock's file cannot be made.
    """
    lock = _take(space, exclusive=False)
    assert lock is not None, "a shared lock is waited for"
    return lock


def hold_alone(space: Path) -> SpaceLock | None:
    """The right to remove a cache file, or None while any run has it open.

    Raises:
        OSError: the lock's file cannot be made.
    """
    return _take(space, exclusive=True)


def _take(space: Path, *, exclusive: bool) -> SpaceLock | None:
    path = Path(f"{space}.lock")
    if sys.platform == "win32":
        return SpaceLock(path, None)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
            current = os.path.samestat(os.fstat(handle), os.stat(path))
        except BlockingIOError:
            os.close(handle)
            return None
        except FileNotFoundError:
            current = False
        except OSError:  # a file system without locks: rows are checked when they are read, so only time is at stake
            os.close(handle)
            return SpaceLock(path, None)
        if current:
            return SpaceLock(path, handle)
        os.close(handle)  # removed between opening and locking: whoever comes now meets another file
