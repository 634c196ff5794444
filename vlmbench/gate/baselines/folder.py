"""Writes the folder of a baseline, in place of an older one. ``vlmbench baseline save`` uses it.

On disk it is written completely or not at all. Object storage has no rename, so there each file is, and a record comes
after its table: a reader in between finds that a table does not belong to its record.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from vlmbench.errors import StoreError
from vlmbench.storage.base import Url
from vlmbench.storage.disk import process_lives
from vlmbench.storage.remote import RemoteFolder

_ASIDE = ".replaced"


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new folder beside the target, then put the new folder in its place.

    A rename cannot replace a folder that is not empty, so the old folder moves aside between two renames. If the
    process is killed between them, :func:`settled` still finds the old folder, and the next write tidies up.

    Raises:
        StoreError: the folder cannot be written. The old folder stays.
    """
    temporary = target.with_name(f".{target.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        _tidy_up(target)
        for place, content in files.items():
            _write(temporary / place, content)
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise StoreError(f"{str(target)!r} is a file or a link, not a folder", hint="Move it out of the way.")
        if target.exists():
            target.rename(aside(target))
        temporary.rename(target)
        shutil.rmtree(aside(target), ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {str(target)!r}: {error.strerror}",
            hint="Check the folder's permissions and the free disk space, or whether another process is writing it.",
        ) from error
    finally:  # Ctrl-C or a full disk must not leave a half-written folder, or no folder at all
        shutil.rmtree(temporary, ignore_errors=True)
        if aside(target).is_dir() and not target.exists():
            aside(target).rename(target)


def write_url(url: Url, files: Mapping[str, bytes]) -> None:
    """Write files to a URL, tables before records, and then remove the other files of an older baseline.

    Raises:
        StoreError: a file cannot be written. The write of the same baseline again repairs it.
    """
    folder = RemoteFolder(url)
    old = [entry.name for entry in folder.entries()]
    for name in sorted(files, key=lambda name: (name.endswith(".json"), name)):
        folder.write(name, files[name])
    for name in old:
        if name not in files:
            folder.remove(name)


def settled(target: Path) -> Path:
    """Where the folder's files are: in its place, or aside if a write was killed between its renames."""
    return target if target.exists() or not aside(target).is_dir() else aside(target)


def aside(target: Path) -> Path:
    """Where the old folder waits while a new one takes its place."""
    return target.with_name(f".{target.name}{_ASIDE}")


def settled_name(path: Path) -> str:
    """The name of a folder, in its place or aside."""
    hidden = path.name.startswith(".") and path.name.endswith(_ASIDE)
    return path.name[1:].removesuffix(_ASIDE) if hidden else path.name


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _tidy_up(target: Path) -> None:
    """Finish a replacement that was killed, and remove leftovers of killed writes on this machine."""
    if aside(target).is_dir():
        if target.exists():
            shutil.rmtree(aside(target))
        else:
            aside(target).rename(target)
    for left in target.parent.glob(f".{target.name}.{socket.gethostname()}.*.tmp"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not process_lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
