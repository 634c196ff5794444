"""The folder of a Ray that this process starts: it is removed at the end, or later if the process was killed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "vlmbench-ray-"
_LOCK = "in-use"
_LONGEST = 40
"""Ray makes sockets below its folder, whose names may have 107 characters."""
_YOUNG_S = 60.0
"""A folder may not have its lock yet."""


@contextmanager
def own_folder() -> Iterator[str | None]:
    """A new folder for what Ray writes. Folders that killed processes have left are removed first.

    Yields:
        The folder; None if its name would be too long, so that Ray must use its own.
    """
    import fcntl  # not on Windows, which this module must be imported on

    parent = Path(tempfile.gettempdir())
    for old in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(old)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        if len(str(folder)) > _LONGEST:
            yield None
            return
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system takes it back when this process ends
            yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder if no process holds its lock."""
    import fcntl

    try:
        with (folder / _LOCK).open("rb") as lock:
            if time.time() - folder.stat().st_mtime < _YOUNG_S:
                return
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # in use, or of another user
        return
