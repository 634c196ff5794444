"""Lets the first of many processes on one machine do a piece of work that the others then find done.

Workers of a pool load a model and open a task inside :func:`once_on_this_node`, so that each machine downloads weights
and data once. Sources whose data is at a URL fetch it under :func:`held`.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from vlmbench.files import read_bytes
from vlmbench.paths import cache_root, safe_name

Waiting = Callable[[str, float], None]
"""Called with what is waited for and the seconds since the wait began."""
_SAY_AFTER_S = 5.0
"""A process that waits says so after this time, and again each time the wait has become twice as long."""
_POLL_S = 0.05
_RUNS_KEPT = 16
"""A mark names at most this many runs, so that it stays small. More runs at once only wait a little longer."""
_MOST_MARK_BYTES = 2**16


@contextmanager
def once_on_this_node(
    key: str, run: str, waiting: Waiting | None = None, *, folder: Path | None = None
) -> Iterator[bool]:
    """Run the block alone in the first process of this machine; the others wait, and then run it side by side.

    The block should be work that is cheap once it has been done on this machine, such as loading a model whose weights
    are in the cache by then. If it raises an error, or its process is killed, the next process that waits is the first
    one. If the folder cannot be written, no process waits.

    Args:
        key: what the work is, such as "weights of ViT-B-32". Messages may show it.
        run: a token that all processes of one run share, and no other run has.
        waiting: told what a process waits for, after some seconds.
        folder: where the locks are; None: below :func:`~vlmbench.paths.cache_root`. Each machine has its own locks in
            it, since machines may share the folder.

    Yields:
        Whether this process is the first.
    """
    place = (folder or cache_root() / "once") / safe_name(socket.gethostname()) / sha256(key.encode()).hexdigest()[:32]
    lock, mark = place.with_suffix(".lock"), place.with_suffix(".json")

    def is_done() -> bool:
        return run in _runs(mark)

    if is_done():
        yield False
        return
    with held(lock, key, waiting, unless=is_done) as alone:
        first = alone and not is_done()
        if first:
            yield True
            _mark(mark, run)
    if not first:
        yield False


@contextmanager
def held(
    lock: Path, what: str, waiting: Waiting | None = None, *, unless: Callable[[], bool] | None = None
) -> Iterator[bool]:
    """Hold the lock of a file while the block runs. The system releases it if the process is killed.

    Args:
        lock: the lock's file, which stays. If it cannot be made, the block runs without it: then what the block does
            must be harmless if two do it.
        what: what is waited for, for ``waiting``.
        unless: asked again and again while another process has the lock; if it is true, the wait ends.

    Yields:
        False if ``unless`` ended the wait, and the lock is not held; otherwise True.
    """
    begin = time.monotonic()
    say_after = _SAY_AFTER_S
    own = None
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        own = FileLock(lock)
    except OSError:
        pass
    while own is not None:
        try:
            own.acquire(timeout=0)
            break
        except Timeout:
            if unless is not None and unless():
                yield False
                return
        except (OSError, NotImplementedError):  # a folder that cannot be written, or a file system without locks
            own = None
            break
        waited = time.monotonic() - begin
        if waiting is not None and waited >= say_after:
            waiting(what, waited)
            say_after = 2 * waited
        time.sleep(_POLL_S)
    try:
        yield True
    finally:
        if own is not None:
            own.release()


def _runs(mark: Path) -> list[str]:
    """The runs in which the work has been done; empty if no mark can be read."""
    try:
        found = json.loads(read_bytes(mark, most=_MOST_MARK_BYTES))
    except (OSError, ValueError):
        return []
    return [run for run in found if isinstance(run, str)] if isinstance(found, list) else []


def _mark(mark: Path, run: str) -> None:
    """Write that the work is done in this run. Only the holder of the lock calls it."""
    new = mark.with_name(f".{mark.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps([*_runs(mark), run][-_RUNS_KEPT:]), "utf-8")
        new.replace(mark)
    except OSError:  # a full disk: the next process does the work too, and finds most of it done
        with suppress(OSError):
            new.unlink(missing_ok=True)
