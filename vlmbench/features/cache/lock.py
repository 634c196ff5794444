"""Locks that mark cache files as in use. Runs that have a file open share its lock; removing it needs the lock alone.

Runs take them, and ``vlmbench cache`` asks before it removes a file. A SQLite database must not be removed while
another process has it open: a later connection would open a new file of the same name beside the old file's write-ahead
log. The lock is on a file of its own, because closing any handle of the database would drop SQLite's own locks. The
system releases a lock when its process ends, even after ``kill -9``.

``filelock`` cannot do this. Its ``FileLock`` is never shared. Its ``ReadWriteLock`` (version 4.3) can be released only
by the thread that took it, lets a second process in once the lock's file is removed, and takes 1.2 ms instead of 35 µs.
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
        """Release the lock. ``remove`` deletes its file too; only the holder of an exclusive lock may do that."""
        if self._handle is not None:
            if remove:
                with suppress(OSError):  # the folder cannot be written: an empty file stays
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
    """Take the right to remove a cache file. Returns None while any run has the file open.

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
        except OSError:  # a file system without locks: damaged rows are found when they are read
            os.close(handle)
            return SpaceLock(path, None)
        if current:
            return SpaceLock(path, handle)
        os.close(handle)  # the file was removed between opening and locking; the next attempt makes a new one
