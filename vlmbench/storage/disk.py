"""Writes files of this machine completely or not at all, and is the :class:`~vlmbench.storage.base.Folder` of a path.

The store of results, baselines, leases and mirrors use it.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from vlmbench.errors import StoreError
from vlmbench.files import read_bytes
from vlmbench.storage.base import Entry, Location

_TEMPORARY = ".tmp"
_NUMBERS = count()
"""A number for each temporary file of this process, because threads may write files of one name."""


class DiskFolder:
    """A folder of this machine.

    Args:
        location: the folder; it is made when something is written.
        durable: wait until the disk has a file before it gets its name. Without it, a loss of power may leave an empty
            file, which only a copy of something else can afford.
    """

    def __init__(self, location: Path, *, durable: bool = True) -> None:
        self.location: Location = location
        self._root = location
        self._durable = durable

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it cannot be read.
        """
        path = self.path(name)
        try:
            return read_bytes(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path)) from error
        except OSError as error:
            raise StoreError(f"cannot read {str(path)!r}: {error.strerror or error}") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file completely or not at all.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        write_atomically(self.path(name), data, durable=self._durable)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file only if it does not exist yet, and say whether this call made it.

        It appears with its whole content. On a file system without hard links, such as exFAT, a reader may see it empty
        for a moment; still only one caller makes it.

        Raises:
            StoreError: the disk is full or the folder cannot be written.
        """
        path = self.path(name)
        temporary = _temporary(path)
        try:
            _write_in_new_folder(temporary, data)
            if self._durable:
                _sync(temporary)
            return _linked(temporary, path, data)
        except OSError as error:
            raise cannot_write(path, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file. A file that does not exist is no error.

        Raises:
            StoreError: it cannot be removed.
        """
        path = self.path(name)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise cannot_write(path, error) from error

    def entries(self, below: str = "") -> Iterator[Entry]:
        """All files below a folder of this folder, by name, without the temporary files of writers.

        Raises:
            StoreError: a folder cannot be read.
        """
        start = self.path(below) if below else self._root
        found = []
        for path, size, version in _files(start):
            found.append(Entry(path.relative_to(self._root).as_posix(), size, version))
        yield from sorted(found, key=lambda entry: entry.name)

    def path(self, name: str) -> Path:
        """The path of a file.

        Raises:
            StoreError: the name leads out of the folder, or no file can have it.
        """
        parts = name.split("/")
        drive = os.name == "nt" and ":" in name
        if drive or any(part in ("", ".", "..") or "\0" in part or os.sep in part for part in parts):
            raise StoreError(f"{name!r} is not the name of a file below {str(self._root)!r}")
        return self._root.joinpath(*parts)


def _files(folder: Path) -> Iterator[tuple[Path, int, str]]:
    """Each file below a folder with its size and version. Links are followed, but no folder is read twice."""

    def stop(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise StoreError(f"cannot read {str(error.filename)!r}: {error.strerror or error}") from error

    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        with suppress(FileNotFoundError):  # another process may have removed it
            there = os.stat(top)
            if (there.st_dev, there.st_ino) in seen:
                folders.clear()
                continue
            seen.add((there.st_dev, there.st_ino))
        for name in names:
            if name.startswith(".") and name.endswith(_TEMPORARY):
                continue
            path = Path(top, name)
            with suppress(FileNotFoundError):
                found = path.stat()
                yield path, found.st_size, f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _write_in_new_folder(path: Path, data: bytes) -> None:
    """Write a file, and make its folder. Another process may remove the folder as long as it is empty."""
    for left in reversed(range(_TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            return
        except (FileNotFoundError, FileExistsError):  # mkdir says that it exists, and then it does not
            if not left:
                raise


_TRIES = 20
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def _linked(temporary: Path, path: Path, data: bytes) -> bool:
    """Give a complete file its name, if the name is free."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # A server of files may answer a repeated request this way, though the first one made the link.
        return temporary.stat().st_nlink == 2
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _exclusive(path, data)
    return True


def _exclusive(path: Path, data: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise
    return True


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file completely or not at all; its folder is made.

    Args:
        durable: wait until the disk has the content, so that even a loss of power leaves no half file.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    except BaseException as error:  # Ctrl-C too must leave nothing half-written
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise


def _temporary(path: Path) -> Path:
    """A name for a file that is being written, for this call alone. :func:`sweep` knows its form."""
    return path.with_name(f".{path.name}.{next(_NUMBERS)}.{socket.gethostname()}.{os.getpid()}{_TEMPORARY}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove temporary files whose process on this machine has ended (kill -9, power loss)."""
    for temporary in folder.glob(f".*{_TEMPORARY}"):
        rest, _, pid = temporary.stem.rpartition(".")
        if rest.endswith(f".{socket.gethostname()}") and pid.isdigit() and not process_lives(int(pid)):
            temporary.unlink(missing_ok=True)


def process_lives(pid: int) -> bool:
    """Whether a process of any user still runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "it is a file, not a folder",
}


def cannot_write(path: Path, error: OSError) -> StoreError:
    """The error for a path that cannot be written, with the system's reason in plain words."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = f"{'Free some space or choose' if full else 'Choose'} another folder with --results."
    return StoreError(f"cannot write to {str(path)!r}: {reason}", hint=hint)
