"""Paths and names of files: ``~`` in a path, the folders this program may write to, and a file name for any text."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import stat
import tempfile
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import platformdirs

from vlmbench.errors import StoreError, UsageError, VlmbenchWarning

_STAND_IN = "vlmbench-for-this-process-"


def user_path(path: Path | str) -> Path:
    """A path that a user wrote, with ``~`` and ``~name`` spelled out.

    Raises:
        UsageError: that user's home folder is not known on this machine.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        name = Path(path).parts[0].removeprefix("~")
        reason = f"there is no user {name!r} on this machine" if name else "this account has no home folder"
        raise UsageError(
            f"{str(path)!r}: {reason}", hint="Write the whole path" + ("." if name else ", or set HOME.")
        ) from error


def settle_home() -> None:
    """Where this account has no home folder, let libraries keep their caches in :func:`cache_folder` too.

    Without, each writes to a folder named ``~`` in the working directory, or fails. To be called before they are
    imported, since they look when they are. Every command calls this, so that it raises nothing: if another user has
    taken the folder's place, there is a new one for this process.
    """
    if not os.environ.get("XDG_CACHE_HOME") and not has_home():
        try:
            folder = str(_temporary("vlmbench"))
        except (StoreError, OSError):
            folder = _new_temporary()
        os.environ["XDG_CACHE_HOME"] = folder


def has_home() -> bool:
    """Whether this account has a home folder."""
    return Path(os.path.expanduser("~")).is_absolute()


def cache_folder(program: str) -> Path:
    """The folder in which a program may keep what it can make again: the platform's, for this user.

    An account without a home folder (``env -i``, a container's numeric user) has one in the folder for temporary files.
    It is made at once, so that it is this user's and open to no other.

    Raises:
        StoreError: another user has taken its place there.
    """
    try:
        found = Path(platformdirs.user_cache_dir(program))
    except RuntimeError:
        found = Path("~")
    if found.parent.name.startswith(_STAND_IN):
        warnings.warn(
            f"another user has the folder for caches in {str(found.parent.parent)!r}, and there is no home folder: "
            "what is kept goes with this process; set VLMBENCH_CACHE or HOME to a folder of yours",
            VlmbenchWarning,
            stacklevel=2,
        )
    return found if found.is_absolute() else _temporary(program)


def _new_temporary() -> str:
    """An empty folder, open to this user alone; it goes with the process."""
    try:
        folder = tempfile.mkdtemp(prefix=_STAND_IN)
    except OSError:
        return os.devnull  # no folder: whoever writes there says so
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _temporary(program: str) -> Path:
    own = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / (program if own is None else f"{program}-{own}")
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:  # a folder that cannot be made is as good as any: whoever writes there says so
        return folder
    if own is not None and (not stat.S_ISDIR(found.st_mode) or found.st_uid != own or found.st_mode & 0o077):
        raise StoreError(
            f"{str(folder)!r} is not this user's own, and there is no home folder to keep the cache in",
            hint="Set VLMBENCH_CACHE or HOME to a folder of yours.",
        )
    return folder


def safe_name(name: str) -> str:
    """A file name for any string: readable, without separators, and different for different names.

    Names of plain characters stay as they are; whatever had to change carries a hash of the original.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[:80]
    return plain if plain and plain == name else f"{plain or 'name'}-{sha256(name.encode()).hexdigest()[:8]}"


_PLAIN = re.compile(r"(?!\.{0,2}$)[^/\\\0]+")


def lies_beside(file: str) -> bool:
    """Whether a name, as a record has it, is a file's in the record's own folder: records come from anybody."""
    return _PLAIN.fullmatch(file) is not None
