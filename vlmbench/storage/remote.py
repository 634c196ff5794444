"""The :class:`~vlmbench.storage.base.Folder` of a URL: object storage and whatever else fsspec reaches.

The store of results, leases and mirrors use it. fsspec is imported with the first request.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from mimetypes import guess_type
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from vlmbench.errors import StoreError
from vlmbench.storage.base import Entry, Location, Url
from vlmbench.storage.disk import DiskFolder
from vlmbench.storage.problems import is_missing, is_passing, plain_error
from vlmbench.storage.schemes import WHOLE

DELAYS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries of one request; together with the tries about a quarter of a minute."""
CONNECT_SECONDS = 10
READ_SECONDS = 60
"""A server that is silent for longer is asked again."""
LISTERS = 16
"""Folders that are listed at the same time. One list of S3 has a thousand files, and each next one must wait for it."""
MOST_LISTED_APART = 32
"""With more folders than this, one list of everything is faster: 20,000 files in 200 folders took 16 s in one list and
20 s in 200, on a busy machine."""
_PROBE = ".vlmbench-probe"
_MEMORY = threading.Lock()
"""fsspec's memory looks and then writes, which two threads may do at once."""

AnswerT = TypeVar("AnswerT")


class RemoteFolder:
    """A folder at a URL.

    Args:
        location: the URL, as :func:`~vlmbench.storage.locations.user_location` makes it.
    """

    def __init__(self, location: Url) -> None:
        self.location: Location = location
        self._url = location
        self._lock = threading.Lock()
        self._opened: tuple[Any, str] | None = None
        self._creates: bool | None = None

    def __reduce__(self) -> tuple[type[RemoteFolder], tuple[Url]]:
        return RemoteFolder, (self._url,)  # a connection does not travel to another process

    @property
    def url(self) -> Url:
        """The folder's URL."""
        return self._url

    @property
    def can_create(self) -> bool:
        """Whether :meth:`create` works here, as far as it is known without a request."""
        scheme = WHOLE.get(self._url.scheme)
        return scheme is not None and scheme.creates and self._creates is not False

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it cannot be read.
        """
        return bytes(self.ask("read", name, lambda files, path: files.cat_file(path)))

    def write(self, name: str, data: bytes) -> None:
        """Write a file in one request. More than 100 MB go in parts, which S3 shows only when all are there.

        Raises:
            StoreError: it cannot be written, or this kind of storage shows files before they are complete.
        """
        self._check_whole()
        self.ask("write to", name, lambda files, path: files.pipe_file(path, data, **self._typed(name)))

    def create(self, name: str, data: bytes) -> bool:
        """Write a file only if it does not exist yet, and say whether this call made it.

        Args:
            data: its content. Two callers must not give the same: an existing file with this content is this call's,
                because a request whose answer was lost is repeated, here or in the libraries below.

        Raises:
            StoreError: it cannot be written, or this storage has no conditional create.
        """
        self._check_creates()
        return self._created(name, data)

    def remove(self, name: str) -> None:
        """Remove a file. A file that does not exist is no error.

        Raises:
            StoreError: it cannot be removed.
        """
        try:
            self.ask("remove a file from", name, lambda files, path: files.rm_file(path))
        except FileNotFoundError:
            return

    def entries(self, below: str = "") -> Iterator[Entry]:
        """All files below a folder of this folder, by name. Its folders are listed at the same time.

        Raises:
            StoreError: they cannot be listed.
        """
        try:
            top = self.ask("list", below, lambda files, path: files.ls(path, detail=True, **self._asks_anew))
        except FileNotFoundError:
            return
        folders = [found["name"].rstrip("/") for found in top if found["type"] == "directory"]
        found = [each for each in top if each["type"] == "file"]
        if 1 < len(folders) <= MOST_LISTED_APART:
            with ThreadPoolExecutor(LISTERS) as pool:
                for listed in pool.map(self._below, folders):
                    found += listed
        elif folders:
            found = self._below(self._path(below))
        start = f"{self._path('')}/"
        entries = [
            Entry(each["name"].removeprefix(start), int(each["size"] or 0), _version(each))
            for each in found
            if each["name"].startswith(start) and not each["name"].endswith("/")
        ]
        yield from sorted(entries, key=lambda entry: entry.name)

    def _below(self, path: str) -> list[dict[str, Any]]:
        try:
            found = self.ask("list", "", lambda files, _: files.find(path, detail=True, **self._asks_anew))
        except FileNotFoundError:
            return []
        return [each for each in found.values() if each["type"] == "file"]

    def _typed(self, name: str) -> dict[str, str]:
        """What tells a browser how to show a file; without it, pages would be downloaded."""
        kind = guess_type(name)[0]
        option = {"s3": "ContentType", "s3a": "ContentType", "gs": "content_type", "gcs": "content_type"}
        return {option[self._url.scheme]: kind} if kind and self._url.scheme in option else {}

    def _check_whole(self) -> None:
        if self._url.scheme not in WHOLE:
            raise StoreError(
                f"cannot write to '{self._url}': {self._url.scheme}:// shows files before they are complete",
                hint="Write to a local folder, or to object storage such as s3:// or gs://.",
            )

    def _check_creates(self) -> None:
        """Refuse a storage without a conditional create. Some servers ignore the condition, so it is tried once."""
        self._check_whole()
        if not self.can_create:
            raise _no_create(self._url)
        if self._creates is None:
            probe = f"{_PROBE}.{uuid4().hex}"
            try:
                first, second = self._created(probe, b"1"), self._created(probe, b"2")
            finally:
                self.remove(probe)
            self._creates = first and not second
            if not self._creates:
                raise _no_create(self._url)

    def _created(self, name: str, data: bytes) -> bool:
        def make(files: Any, path: str) -> bool:
            try:
                if self._url.scheme == "memory":
                    with _MEMORY:
                        files.pipe_file(path, data, mode="create")
                else:
                    files.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            return True

        if self.ask("write to", name, make):
            return True
        try:
            return self.read(name) == data
        except FileNotFoundError:  # its owner has removed it meanwhile
            return False

    def version(self, files: Any, path: str) -> str:
        """The version of a file now."""
        return _version(files.info(path, **self._asks_anew))

    @property
    def _asks_anew(self) -> dict[str, bool]:
        """The argument without which the hub's file system answers from its memory."""
        return {"refresh": True} if self._url.scheme == "hf" else {}

    def ask(self, doing: str, name: str, ask: Callable[[Any, str], AnswerT]) -> AnswerT:
        """Ask the storage, and again after passing problems.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: it failed for good.
        """
        for delay in (*DELAYS, None):
            try:
                files, _ = self._files()
                return ask(files, self._path(name))
            except StoreError:
                raise
            except Exception as error:
                if is_missing(error) and doing != "write to":
                    raise FileNotFoundError(f"{self._url}/{name}") from error
                if delay is None or not is_passing(error):
                    raise plain_error(self._url, doing, error) from error
                _LOG.info("cannot %s %s: %s; asking again", doing, self._url, type(error).__name__)
                time.sleep(delay * random.uniform(0.75, 1.25))
        raise AssertionError("the last try returns or raises")

    def _path(self, name: str) -> str:
        root = self._files()[1]
        return f"{root}/{name}" if name else root

    def _files(self) -> tuple[Any, str]:
        """fsspec's file system, made once, and this folder's path in it."""
        with self._lock:
            if self._opened is None:
                self._opened = _opened(self._url)
            return self._opened


def upload(folder: Path, url: Url, *, last: str) -> None:
    """Copy the files of a folder to a URL, several at a time. Other files at the URL stay.

    Args:
        last: the file that is put last, because it leads to the others.

    Raises:
        StoreError: they cannot be written.
    """
    remote, local = RemoteFolder(url), DiskFolder(folder)
    names = [entry.name for entry in local.entries() if entry.name != last]
    with ThreadPoolExecutor(LISTERS) as pool:
        list(pool.map(lambda name: remote.write(name, local.read(name)), names))
    remote.write(last, local.read(last))


_LOG = logging.getLogger(__name__)


_SHARED: dict[Hashable, Any] = {}
"""File systems by all that decides which server they ask and as whom. Making one of S3 takes a tenth of a second."""
_DECISIVE = ("AWS_", "AZURE_", "GOOGLE_", "GCS", "HF_", "FSSPEC_", "HOME")
"""Beginnings of the variables from which libraries take servers and credentials."""


def _opened(url: Url) -> tuple[Any, str]:
    """The file system that all folders of one storage share in this process, and the path of a URL in it."""
    settings = frozenset((name, value) for name, value in os.environ.items() if name.startswith(_DECISIVE))
    account = (
        "" if url.scheme in ("s3", "s3a", "gs", "gcs", "hf", "memory") else url.text.partition("://")[2].split("/")[0]
    )
    key = os.getpid(), url.scheme, account, settings
    files = _SHARED.get(key)
    if files is None:
        files, path = _new(url)
        _SHARED[key] = files
        return files, path
    return files, str(files._strip_protocol(url.text)).rstrip("/")


def _new(url: Url) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if url.scheme in ("s3", "s3a"):
        # Tries are counted here alone: three layers of them would wait for minutes.
        options["config_kwargs"] = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retries": {"max_attempts": 0},
            "max_pool_connections": 64,
        }
        # Otherwise s3fs asks for the size of each file first, and reads a large one in parts, maybe of two versions.
        options["max_concurrency"] = 1
    files, path = url_to_fs(url.text, **options)
    if url.scheme in ("s3", "s3a"):
        files.retries = 1
    return files, path.rstrip("/")


def _no_create(url: Url) -> StoreError:
    return StoreError(
        f"cannot make a file at '{url}' only if it does not exist: this storage cannot refuse the second of two writers"
    )


def _version(found: dict[str, Any]) -> str:
    """A text that changes with the content of a file, by what its storage tells about it."""
    for name in ("ETag", "etag", "generation", "blob_id", "md5Hash", "content_md5"):
        if found.get(name):
            return str(found[name]).strip('"')
    time = next((found[name] for name in ("LastModified", "last_modified", "mtime", "created") if name in found), "")
    written = time.timestamp() if isinstance(time, datetime) else time  # fsspec's memory gives both forms
    return f"{written}-{found.get('size')}"
