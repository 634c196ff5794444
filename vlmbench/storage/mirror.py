"""Keeps a copy of a results folder at a URL in the cache, so that every reader finds an ordinary folder.

Each command that reads results calls :func:`readable`. It lists the folder, fetches the records that are new or
changed, several at a time, and removes those that are gone. A Parquet file or a picture may be large, so it is fetched
when a reader asks for it: :func:`bring` and :func:`bring_folder`. Messages name the URL, by
:func:`~vlmbench.storage.shown.with_urls`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath

from vlmbench.errors import StoreError
from vlmbench.paths import cache_root, safe_name
from vlmbench.storage.base import Entry, Location, Url
from vlmbench.storage.disk import DiskFolder
from vlmbench.storage.locations import results_location
from vlmbench.storage.shown import COPIES

AT_ONCE = (".json", ".csv")
"""Records, failures and the tables of baselines: small files that every command needs."""
MOST_BYTES = 128 * 2**20
"""A larger file is no record."""
FETCHERS = 32
"""Files that are fetched at the same time."""
_DEEPEST = 4
"""A picture is ``<model>/<task>/<run id>.visuals/<name>``. What is deeper belongs to something else."""
_LONGEST_PART = 160
"""Bytes of one part of a name. vlmbench writes none that is longer, and most disks take 255, with what is added."""
_FILES = (".json", ".parquet", ".csv")
"""The ends of names of files. A URL with one of them is a file, and others are folders."""


def readable(text: str | os.PathLike[str]) -> Path:
    """The path at which a results folder, baseline or record can be read. For a URL it is a copy in the cache.

    The path need not exist: then there is nothing at this location.

    Raises:
        UsageError: the location is wrong.
        StoreError: the storage cannot be read, or the cache cannot be written.
    """
    return at_hand(results_location(text))


def at_hand(location: Location) -> Path:
    """As :func:`readable`, for a location."""
    if isinstance(location, Path):
        return location
    if location.name.endswith(_FILES) and "/" in location.text.partition("://")[2]:
        path = _synced(Url(location.text.rpartition("/")[0])) / location.name
        bring([path])
        return path
    return _synced(location)


def bring(paths: Iterable[Path]) -> None:
    """Fetch these files, if they are in copies and not there yet. Other paths are left alone.

    Raises:
        StoreError: the storage cannot be read.
    """
    if not _MIRRORS:
        return
    for mirror, names in _by_mirror(paths).items():
        mirror.bring(names)


def bring_folder(folder: Path) -> None:
    """Fetch all files below a folder of a copy."""
    for mirror, (name, *_) in _by_mirror([folder]).items():
        start = "" if name == "." else f"{name}/"
        mirror.bring([each for each in mirror.known if each.startswith(start)])


def may_exist(path: Path) -> bool:
    """Whether a file exists, or is in a listing from which it was not fetched yet."""
    return os.path.exists(path) or any(name in mirror.known for mirror, (name, *_) in _by_mirror([path]).items())


def is_copy(path: Path) -> bool:
    """Whether a path is in a copy, where nothing else may be written."""
    return bool(_by_mirror([path]))


def remove_copies() -> int:
    """Remove all copies, and return the number of bytes that this freed. A copy that is being made stays."""
    from filelock import FileLock, Timeout

    freed = 0
    try:
        folders = list(_copies().glob("*/"))
    except OSError:  # such as a name that no file system takes: there are no copies
        return 0
    for folder in folders:
        with suppress(Timeout, OSError), FileLock(folder.with_suffix(".lock"), timeout=0):
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder, ignore_errors=True)
    return freed


class Mirror:
    """The copy of one URL, as it was listed last.

    Attributes:
        url: the folder that is copied.
        root: the folder of the copy.
        known: the files of the listing, by name.
    """

    def __init__(self, url: Url) -> None:
        from filelock import FileLock  # here, because commands that read no URL need not wait for these imports

        from vlmbench.storage.remote import RemoteFolder

        self.url = url
        own = _copies() / sha256(url.text.encode()).hexdigest()[:24]
        self.root = own / safe_name(url.name)
        self._remote = RemoteFolder(url)
        self._local = DiskFolder(self.root, durable=False)
        self._versions = own / "versions.jsonl"
        self._lock = FileLock(own.with_suffix(".lock"))
        self.known: Mapping[str, Entry] = {}

    def sync(self, wanted: Callable[[str], bool] | None = None) -> None:
        """List the folder, fetch its records, and remove what is gone.

        Args:
            wanted: whether a record is fetched, by its name; None: all are.
        """
        with self._held():
            found = {entry.name: entry for entry in self._remote.entries() if self._fits(entry)}
            folders = {str(folder) for name in found for folder in PurePosixPath(name).parents}
            self.known = {name: entry for name, entry in found.items() if name not in folders}
            versions = self._read_versions()
            kept = {name: version for name, version in versions.items() if self._is_current(name, version)}
            for entry in list(self._local.entries()):
                if entry.name not in kept:
                    self._local.remove(entry.name)
            _remove_empty(self.root)
            self._versions.parent.mkdir(parents=True, exist_ok=True)
            DiskFolder(self._versions.parent, durable=False).write(self._versions.name, _lines(kept))
            new = [name for name in self.known if name not in kept and name.endswith(AT_ONCE)]
            self._fetch(new if wanted is None else filter(wanted, new))

    def content(self, entry: Entry) -> bytes | None:
        """The content of a file, if this version of it was fetched."""
        known = self.known.get(entry.name)
        if known is None or known.version != entry.version:
            return None
        try:
            found = self._local.read(entry.name)
        except (FileNotFoundError, StoreError):
            return None
        return found if len(found) == entry.size else None

    def bring(self, names: Iterable[str]) -> None:
        """Fetch files of the listing that are not there."""
        wanted = [name for name in names if name in self.known and not self._local.path(name).exists()]
        if wanted:
            with self._held():
                self._fetch(wanted)

    def _fetch(self, names: Iterable[str]) -> None:
        """Fetch files, and note their versions when they are there. A file that is gone meanwhile is left out."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(FETCHERS) as pool, self._versions.open("ab") as file:
            try:
                for name in pool.map(self._fetch_one, names):
                    if name is not None:
                        file.write(_lines({name: self.known[name].version}))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _fetch_one(self, name: str) -> str | None:
        try:
            content = self._remote.read(name)
        except FileNotFoundError:
            return None
        try:
            self._local.write(name, content)
        except StoreError as error:
            raise self._no_copy(error.message.rpartition(": ")[2]) from error
        return name

    def _is_current(self, name: str, version: str) -> bool:
        entry = self.known.get(name)
        if entry is None or entry.version != version:
            return False
        path = self._local.path(name)
        return path.is_file() and path.stat().st_size == entry.size

    def _fits(self, entry: Entry) -> bool:
        """Whether a file may be one of vlmbench's, under a name that stays in the copy's folder."""
        parts = PurePosixPath(entry.name).parts
        plain = "/".join(parts) == entry.name and not any(
            part.startswith(".") or len(part.encode()) > _LONGEST_PART for part in parts
        )
        if not plain or len(parts) > _DEEPEST or (entry.name.endswith(AT_ONCE) and entry.size > MOST_BYTES):
            return False
        try:
            self._local.path(entry.name)
        except StoreError:
            return False
        return True

    def _read_versions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            lines = self._versions.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):  # a new copy, or a damaged one, which is made anew
            return found
        for line in lines:
            with suppress(ValueError, TypeError):  # the last line of a killed process
                name, version = json.loads(line)
                found[str(name)] = str(version)
        return found

    @contextmanager
    def _held(self) -> Iterator[None]:
        """While no other process changes this copy."""
        try:
            Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                yield
        except OSError as error:
            raise self._no_copy(error.strerror or str(error)) from error

    def _no_copy(self, reason: str) -> StoreError:
        return StoreError(
            f"the copy of '{self.url}' cannot be kept in {str(_copies())!r}: {reason}",
            hint="Free some space there, or choose another folder: set VLMBENCH_CACHE.",
        )


_MIRRORS: dict[str, Mirror] = {}
"""The copies that this process has made, by their paths."""


def _synced(url: Url) -> Path:
    mirror = Mirror(url)
    _MIRRORS[str(mirror.root)] = mirror
    COPIES[str(mirror.root)] = url.text
    mirror.sync()
    return mirror.root


def _by_mirror(paths: Iterable[Path]) -> dict[Mirror, list[str]]:
    found: dict[Mirror, list[str]] = {}
    for path in paths:
        for root, mirror in _MIRRORS.items():
            if path.is_relative_to(root):
                found.setdefault(mirror, []).append(path.relative_to(root).as_posix())
    return found


def _lines(versions: Mapping[str, str]) -> bytes:
    return "".join(f"{json.dumps([name, version])}\n" for name, version in versions.items()).encode()


def _remove_empty(root: Path) -> None:
    """Remove the folders without files, because a reader would take them for pairs."""
    for folder, _, _ in os.walk(root, topdown=False):
        with suppress(OSError):  # it is not empty
            os.rmdir(folder)


def _copies() -> Path:
    return cache_root() / "remote"
