"""Copies folders of object storage to this machine: each file once a machine, resumed after a break, and verified.

Datasets at a URL that cannot be streamed are opened from their copy, and ``vlmbench fetch`` makes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event, Lock

from vlmbench.data.hub.parallel import in_parallel
from vlmbench.data.remote import Advance, RemoteFile, mismatch
from vlmbench.data.urls.listing import files_below
from vlmbench.errors import DataError, MissingDataError, VlmbenchError, unexpected
from vlmbench.files import size_text
from vlmbench.paths import cache_root
from vlmbench.storage.base import Entry, Url
from vlmbench.storage.disk import write_atomically
from vlmbench.storage.once import held
from vlmbench.storage.ranges import read_range
from vlmbench.storage.remote import RemoteFolder

WORKERS = 16
"""How many files are copied at the same time."""
_PART_BYTES = 8 * 2**20
"""A file arrives in parts of this size. A copy that was interrupted goes on after the last one."""
_MD5 = re.compile(r"[0-9a-f]{32}")
"""The version of an object of S3 that was put in one request is its MD5, if the bucket has no keys of its own."""


def copies_folder() -> Path:
    """Where the copies are."""
    return cache_root() / "data"


def local_place(url: Url) -> Path:
    """The folder or file of this machine that is the copy of a URL.

    The same name of a bucket may be on several servers, so that the server that AWS_ENDPOINT_URL names counts.
    """
    scheme, _, path = url.text.partition("://")
    server = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    if server and scheme in ("s3", "s3a"):
        scheme += f"-{hashlib.sha256(server.encode()).hexdigest()[:8]}"
    return copies_folder().joinpath(scheme, *path.split("/"))


@dataclass(frozen=True)
class FolderCopy:
    """A folder of object storage, its files as they were listed, and its copy on this machine.

    Attributes:
        url: the folder.
        entries: its files, by name.
        offline: whether the list is that of the copy, and not of the storage.
    """

    url: Url
    entries: tuple[Entry, ...]
    offline: bool = False

    @property
    def local(self) -> Path:
        """The folder of the copy."""
        return local_place(self.url)

    @cached_property
    def journal(self) -> Journal:
        """What of the folder has been copied."""
        return Journal(_aside(self.local, "state", ".jsonl"), self.local)

    def missing(self) -> list[Entry]:
        """The files that are not on this machine in the version that was listed."""
        there = self.journal.read()
        return [entry for entry in self.entries if not there.has(entry)]

    def is_current(self) -> bool:
        """Whether the copy has the files that were listed, in these versions, and no others."""
        there = self.journal.read()
        names = {entry.name for entry in self.entries}
        return there.complete and there.versions.keys() == names and all(map(there.has, self.entries))

    def remote_file(self, entry: Entry, *, no_md5: bool) -> RemoteFile:
        """A file with its size and, if it is known, the MD5 of its content.

        Args:
            no_md5: versions are no MD5s, though they look like it.
        """
        known = self.url.scheme in ("s3", "s3a") and not no_md5 and _MD5.fullmatch(entry.version)
        return RemoteFile(f"{self.url}/{entry.name}", entry.size, md5=entry.version if known else None)


@dataclass(frozen=True)
class Copied:
    """What a journal says.

    Attributes:
        versions: the size and version of each file that has been copied, by name.
        complete: whether everything that had been listed was there.
        no_md5: whether versions are known to be no MD5s, though they look like it.
        local: the folder of the copy.
    """

    versions: dict[str, tuple[int, str]]
    complete: bool
    no_md5: bool
    local: Path

    def has(self, entry: Entry) -> bool:
        """Whether a file is there in this version."""
        if self.versions.get(entry.name) != (entry.size, entry.version):
            return False
        try:
            return (self.local / entry.name).stat().st_size == entry.size
        except OSError:
            return False


class Journal:
    """A file that lists which files of a folder have been copied, so that an interrupted copy can go on.

    Args:
        path: the file.
        local: the folder of the copy.
    """

    def __init__(self, path: Path, local: Path) -> None:
        self._path = path
        self._local = local
        self._lock = Lock()

    def read(self) -> Copied:
        """What has been copied. A line that was cut off counts as nothing."""
        versions: dict[str, tuple[int, str]] = {}
        complete = no_md5 = False
        try:
            lines = self._path.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            with suppress(ValueError, TypeError):
                match json.loads(line):
                    case [str(name), int(size), str(version)]:
                        versions[name] = size, version
                    case {"complete": bool(complete)}:
                        pass
                    case {"no_md5": bool(no_md5)}:
                        pass
        return Copied(versions, complete, no_md5, self._local)

    def add(self, entry: Entry) -> None:
        """Note that a file has been copied."""
        self._append([entry.name, entry.size, entry.version])

    def begin(self) -> None:
        """Note that files are being copied, so that the copy is not complete."""
        self._append({"complete": False})

    def no_md5(self) -> None:
        """Note that the versions are no MD5s."""
        self._append({"no_md5": True})

    def finish(self, entries: Iterable[Entry]) -> None:
        """Note that these files are there and no others."""
        lines: list[object] = [[entry.name, entry.size, entry.version] for entry in entries]
        lines += [{"no_md5": True}] if self.read().no_md5 else []
        text = "".join(f"{json.dumps(line)}\n" for line in [*lines, {"complete": True}])
        write_atomically(self._path, text.encode(), durable=False)

    def _append(self, line: object) -> None:
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(line)}\n")


def _aside(local: Path, what: str, ending: str) -> Path:
    """A file about a copy, which lies beside the copies and not in them."""
    return copies_folder() / f".{what}" / f"{hashlib.sha256(str(local).encode()).hexdigest()[:32]}{ending}"


def list_folder(url: Url, *, offline: bool = False) -> FolderCopy | None:
    """A folder of object storage, or the folder of one file; None if there is nothing at the URL.

    Args:
        offline: do not ask the storage; a copy that is complete answers.

    Raises:
        MissingDataError: there is no complete copy while offline.
        DataError: names cannot be files on a disk.
        StoreError: the storage cannot be reached.
    """
    if offline:
        return _listed_before(url)
    entries = files_below(RemoteFolder(url))
    if entries:
        return FolderCopy(url, tuple(entries))
    before, _, name = url.text.rpartition("/")
    if before.endswith("/") or not files_below(RemoteFolder(Url(before)), name):
        return None
    return FolderCopy(Url(before), tuple(files_below(RemoteFolder(Url(before)))))


def _listed_before(url: Url) -> FolderCopy:
    before = url.text.rpartition("/")[0]
    for folder in (url, Url(before)):
        if not folder.text.endswith("/"):
            there = FolderCopy(folder, (), offline=True).journal.read()
            if there.complete:
                entries = (Entry(name, size, version) for name, (size, version) in sorted(there.versions.items()))
                return FolderCopy(folder, tuple(entries), offline=True)
    raise MissingDataError(
        f"'{url}' has no complete copy on this machine, and --offline forbids making one",
        hint="Run the command once online, or `vlmbench fetch`.",
    )


def copy_files(
    copy: FolderCopy, entries: Sequence[Entry], *, workers: int, advance: Advance, again: Sequence[Entry] = ()
) -> dict[str, VlmbenchError]:
    """Copy files of a folder that are not there yet. One process of a machine does it, and others wait for it.

    Args:
        advance: called with the number of bytes that arrive, from several threads.
        again: files that are copied even if they are there, because they are damaged.

    Returns:
        The error of each file that could not be copied, by name.
    """
    try:
        with held(_aside(copy.local, "state", ".lock"), f"the copy of {copy.url}"):
            return _copy_alone(copy, entries, {entry.name for entry in again}, workers, advance)
    except OSError as error:
        problem = _cannot_copy(copy, error)
        return {entry.name: problem for entry in entries}


def _copy_alone(
    copy: FolderCopy, entries: Sequence[Entry], again: set[str], workers: int, advance: Advance
) -> dict[str, VlmbenchError]:
    there = copy.journal.read()
    todo = [entry for entry in entries if entry.name in again or not there.has(entry)]
    for entry in entries:
        if entry not in todo:  # another process has copied it meanwhile
            advance(entry.size)
    if todo:
        copy.journal.begin()
    one = _OneFile(RemoteFolder(copy.url), copy, advance, no_md5=there.no_md5)
    failed: dict[str, VlmbenchError] = {}
    # After a failure the other files end at once, and each says so: no thread may write when the lock is released.
    for index, error in in_parallel(one.copy, todo, workers=workers, stop=one.left):
        if isinstance(error, BaseException):
            one.failed.set()
            failed[todo[index].name] = _copy_problem(copy, error)
    if not failed and not copy.missing():
        _remove_others(copy, copy.journal.read())
        copy.journal.finish(copy.entries)
    return failed


def _copy_problem(copy: FolderCopy, error: BaseException) -> VlmbenchError:
    if isinstance(error, InterruptedError):
        return DataError(f"the copy of '{copy.url}' was given up, because another of its files could not be copied")
    return _cannot_copy(copy, error) if isinstance(error, OSError) else unexpected(error)


def _cannot_copy(copy: FolderCopy, error: OSError) -> DataError:
    return DataError(
        f"'{copy.url}' cannot be copied to {copies_folder()}: {error.strerror or error}",
        hint="Files that have arrived are kept. Free some space, or set VLMBENCH_CACHE to a folder on a larger disk.",
    )


def _remove_others(copy: FolderCopy, there: Copied) -> None:
    """Remove copies of files that the storage does not have any more."""
    listed = {entry.name for entry in copy.entries}
    for name in there.versions:
        if name not in listed:
            with suppress(OSError):
                (copy.local / name).unlink(missing_ok=True)


@dataclass
class _OneFile:
    """Copies single files of a folder."""

    remote: RemoteFolder
    folder: FolderCopy
    advance: Advance
    no_md5: bool
    failed: Event = field(default_factory=Event)
    left: Event = field(default_factory=Event)

    def copy(self, entry: Entry) -> None:
        """Copy one file, and copy it again if its content is not what the storage says.

        Raises:
            DataError: it arrived damaged twice, in different ways.
            StoreError: it cannot be read.
            OSError: it cannot be written.
        """
        target = self.folder.local / entry.name
        part = _aside(target, "parts", f".{hashlib.sha256(entry.version.encode()).hexdigest()[:8]}")
        part.parent.mkdir(parents=True, exist_ok=True)
        first: str | None = None
        while True:
            self._arrive(entry, part)
            wrong = mismatch(part, self.folder.remote_file(entry, no_md5=self.no_md5))
            if wrong is None:
                break
            found = _md5(part)
            if found == first:  # two equal copies: the version is no MD5, as with keys of one's own
                self.no_md5 = True
                self.folder.journal.no_md5()
                break
            if first is not None:
                part.unlink()
                raise DataError(f"'{self.folder.url}/{entry.name}' arrived damaged, 2 times: {wrong}")
            first = found
            part.unlink()
            self.advance(-entry.size)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
        self.folder.journal.add(entry)

    def _arrive(self, entry: Entry, part: Path) -> None:
        """Add the parts that an unfinished file lacks."""
        with part.open("ab") as file:
            done = file.tell()
            if done > entry.size:
                file.truncate(0)
                done = 0
            self.advance(done)
            while done < entry.size:
                self._check_wanted()
                data = read_range(self.remote, entry, done, min(done + _PART_BYTES, entry.size))
                self._check_wanted()
                file.write(data)
                done += len(data)
                self.advance(len(data))

    def _check_wanted(self) -> None:
        if self.failed.is_set() or self.left.is_set():
            raise InterruptedError("the copy was given up")


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
    return digest.hexdigest()


def check_room(copies: Iterable[FolderCopy]) -> None:
    """Refuse a copy that does not fit on the disk.

    Raises:
        DataError: there is too little room.
    """
    needed = sum(entry.size for copy in copies for entry in copy.missing())
    folder = copies_folder()
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if needed > (free := shutil.disk_usage(existing).free):
        raise DataError(
            f"no room: {size_text(needed)} must be copied, and {folder} has {size_text(free)} free",
            hint="Free some, or set VLMBENCH_CACHE to a folder on a larger disk.",
        )
