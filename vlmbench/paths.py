"""Handles paths and names of files: ``~`` in a path, the folder for caches, and a file name for any text.

Every command calls :func:`settle_home` first, and each reader of a user's path calls :func:`user_path`.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import stat
import tempfile
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import platformdirs

from vlmbench.errors import StoreError, UsageError, VlmbenchWarning

RESULTS = Path("results/runs")
"""The results folder, if the user names none."""
BASELINES = Path("results/baselines")
"""The folder of all saved baselines, if the user names none. It is relative to the repository's top folder."""
_STAND_IN = "vlmbench-for-this-process-"


def report_command(results: Path | str) -> str:
    """The shortest command that prints the results of a folder, given as a path, or as the text of a URL.

    >>> report_command(RESULTS), report_command(Path("my runs"))
    ('vlmbench report', "vlmbench report --results 'my runs'")
    """
    if isinstance(results, Path) and os.path.abspath(results) == os.path.abspath(RESULTS):
        return "vlmbench report"
    return f"vlmbench report --results {shlex.quote(str(results))}"


def user_path(path: Path | str) -> Path:
    """A path that a user wrote, with ``~`` and ``~name`` replaced by the home folder.

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
    """If this account has no home folder, make libraries keep their caches in :func:`cache_folder` too.

    Otherwise each library writes to a folder named ``~`` in the working directory, or fails. Call this before the
    libraries are imported, because they choose their folder then. It raises nothing, since every command calls it: if
    the folder belongs to another user, this process gets a new one.
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
    """This user's folder for the caches of a program, by the rules of the platform.

    An account without a home folder (``env -i``, a container's numeric user) gets one in the folder for temporary
    files. It is made at once, so that it belongs to this user and no other user can read it.

    Raises:
        StoreError: that place belongs to another user.
    """
    try:
        found = Path(platformdirs.user_cache_dir(program))
    except RuntimeError:
        found = Path("~")
    if found.parent.name.startswith(_STAND_IN):
        warnings.warn(
            f"there is no home folder, and another user has the folder for caches in {str(found.parent.parent)!r}: "
            "the cache is deleted when this process ends; set VLMBENCH_CACHE or HOME to your own folder",
            VlmbenchWarning,
            stacklevel=2,
        )
    return found if found.is_absolute() else _temporary(program)


def cache_root() -> Path:
    """Where vlmbench's own cache is: ``VLMBENCH_CACHE``, else this user's folder; see :func:`cache_folder`."""
    own = os.environ.get("VLMBENCH_CACHE")
    return user_path(own) if own else cache_folder("vlmbench")


def _new_temporary() -> str:
    """Make an empty folder that only this user can open. It is deleted when the process ends."""
    try:
        folder = tempfile.mkdtemp(prefix=_STAND_IN)
    except OSError:
        return os.devnull  # there is no folder: the program that writes there reports it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _temporary(program: str) -> Path:
    own = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / (program if own is None else f"{program}-{own}")
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError:  # it cannot be made: the program that writes there reports it
        return folder
    if own is not None and (not stat.S_ISDIR(found.st_mode) or found.st_uid != own or found.st_mode & 0o077):
        raise StoreError(
            f"{str(folder)!r} does not belong to this user alone, and there is no home folder for the cache",
            hint="Set VLMBENCH_CACHE or HOME to your own folder.",
        )
    return folder


def safe_name(name: str) -> str:
    """A file name for any string: readable, without separators, and different for different names.

    A name of plain characters stays as it is. A name that must change gets a hash of the original.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".-")[:80]
    return plain if plain and plain == name else f"{plain or 'name'}-{sha256(name.encode()).hexdigest()[:8]}"


_PLAIN = re.compile(r"(?!\.{0,2}$)[^/\\\0]+")


def lies_beside(file: str) -> bool:
    """Whether a name in a record is that of a file in the record's own folder. A record's file may come from anyone."""
    return _PLAIN.fullmatch(file) is not None
