"""Protocols for sources whose data may be elsewhere, so that it is planned, fetched and verified as a hub's data.

A source with such data names a :class:`Remote` in its :class:`~vlmbench.data.base.Source`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vlmbench.cards import SourceSpec
from vlmbench.errors import DataError, VlmbenchError

_CHUNK_BYTES = 1 << 20
Advance = Callable[[int], None]
"""Called with the number of bytes that have arrived; a negative number when a damaged file starts again."""
FileKey = tuple[str, ...]
"""Equal for equal files, such as (repository, commit, path). No other source's keys may begin with the same item."""


@dataclass(frozen=True)
class RemoteFile:
    """One file that is elsewhere, with its size and hash.

    Attributes:
        path: its name there, relative to the dataset or repository.
        size: bytes; None if unknown.
        sha256: of the content, if known.
        git_sha1: the git object id, if known.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class Verified:
    """The result of hashing some cached files.

    Attributes:
        damaged: the files whose content is wrong.
        good: the number of files whose content is right.
        unknown: the number of files without a known hash.
    """

    damaged: tuple[RemoteFile, ...]
    good: int
    unknown: int


class Download(Protocol):
    """One file to download."""

    @property
    def key(self) -> FileKey:
        """See :data:`FileKey`."""

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""


class RemoteData(Protocol):
    """The data that a run reads from a source that is elsewhere: looked up, and not yet downloaded."""

    @property
    def revision(self) -> str | None:
        """The exact version that a run would read, such as a commit; None if there are no versions."""

    @property
    def offline(self) -> bool:
        """Whether only the cache answered, so that nothing can be downloaded or replaced."""

    @property
    def files(self) -> Sequence[RemoteFile]:
        """The files that a run reads."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of the numbers should know."""

    def missing(self) -> Sequence[Download]:
        """The files that the cache does not have; empty when offline."""

    def again(self, file: RemoteFile) -> Download:
        """A second download of a file whose cached copy is damaged."""

    def cached(self, file: RemoteFile) -> Path | None:
        """Where the cache has the file; None if it does not. :func:`discard` can remove it."""

    def verify(self) -> Verified:
        """Take the hash of every cached file; :func:`verify_files` does it.

        Raises:
            DataError: no cached file has a known hash.
        """

    def check(self) -> None:
        """Make sure that all files are in the cache and ready to be opened offline.

        Raises:
            MissingDataError, DataError: some are not.
        """


class Remote(Protocol):
    """Where a source's data comes from when it is not on this machine."""

    def is_remote(self, spec: SourceSpec) -> bool:
        """Whether the data of this spec is elsewhere; otherwise the source is opened from the disk."""

    def look_up(self, spec: SourceSpec, *, offline: bool) -> RemoteData:
        """Find out which files a run of this spec reads, and download none.

        Args:
            offline: ask the cache only.

        Raises:
            MissingDataError: not there, or not cached while offline.
            DataError: there, but not usable.
        """

    # Any: a remote is given its own downloads only.
    def transfer(
        self, wanted: Sequence[Sequence[Any]], *, workers: int, advance: Advance
    ) -> Mapping[FileKey, VlmbenchError]:
        """Download files into the cache, each once.

        Args:
            wanted: lists of :class:`Download` of this remote; a list is of use only as a whole, such as one task's.
            advance: told of bytes as they arrive; may be called from several threads.

        Returns:
            What went wrong, by file.
        """

    def cache_folder(self) -> Path:
        """Where downloads are kept; need not exist yet."""


def mismatch(path: Path, file: RemoteFile) -> str | None:
    """Say what is wrong with a file's content; None if it is right, or if neither size nor hash is known."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {size:,} bytes instead of {file.size:,}"
    if file.sha256:
        digest, expected = hashlib.sha256(), file.sha256
    elif file.git_sha1:
        digest, expected = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), file.git_sha1
    else:
        return None
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == expected else f"its checksum is {found[:12]}… instead of {expected[:12]}…"


def verify_files(place: str, cached: Sequence[tuple[RemoteFile, Path]]) -> Verified:
    """Compare cached files with their known hashes. Nothing is changed.

    Raises:
        DataError: no cached file has a known hash.
    """
    known = [(file, path) for file, path in cached if file.sha256 or file.git_sha1]
    if cached and not known:
        raise DataError(
            f"{place}: its {len(cached)} cached files cannot be verified: their hashes are not known",
            hint="Use --verify online, or leave it out.",
        )
    damaged = tuple(file for file, path in known if mismatch(path, file) is not None)
    return Verified(damaged, len(known) - len(damaged), len(cached) - len(known))


def discard(path: Path) -> None:
    """Remove a cached file: a link in a snapshot, and the file that it leads to."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)
