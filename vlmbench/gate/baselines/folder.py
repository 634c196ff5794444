"""A folder that is written whole or not at all, in the place of an older one."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from vlmbench.errors import StoreError
from vlmbench.store import process_lives

_ASIDE = ".replaced"


def write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write files, by their paths inside it, beside the target, then put their folder in its place.

    A folder that is not empty cannot be renamed over, so what is replaced steps aside for the moment between two
    renames; killed in between, :func:`settled` still finds it, and the next write tidies up.

    Raises:
        StoreError: it cannot be written; what was there before still is.
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
            hint="Look at the folder's rights and the disk's space; or another process is writing it.",
        ) from error
    finally:  # Ctrl-C and a full disk leave nothing half-written, nor the name without its folder
        shutil.rmtree(temporary, ignore_errors=True)
        if aside(target).is_dir() and not target.exists():
            aside(target).rename(target)


def settled(target: Path) -> Path:
    """Where the folder's files are: in its place, or aside where a write was killed between its renames."""
    return target if target.exists() or not aside(target).is_dir() else aside(target)


def aside(target: Path) -> Path:
    """Where a folder waits while another takes its place."""
    return target.with_name(f".{target.name}{_ASIDE}")


def settled_name(path: Path) -> str:
    """The name of a folder, wherever it is."""
    hidden = path.name.startswith(".") and path.name.endswith(_ASIDE)
    return path.name[1:].removesuffix(_ASIDE) if hidden else path.name


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _tidy_up(target: Path) -> None:
    """Finish a replacement that was killed, and remove what killed writes of this machine left."""
    if aside(target).is_dir():
        if target.exists():
            shutil.rmtree(aside(target))
        else:
            aside(target).rename(target)
    for left in target.parent.glob(f".{target.name}.{socket.gethostname()}.*.tmp"):
        pid = left.name.split(".")[-2]
        if pid.isdigit() and not process_lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
