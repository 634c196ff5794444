"""Defines protocols for sources whose data may have to be downloaded first.

A source with such data names a :class:`Remote` in its :class:`~vlmbench.data.base.Source`. Plans, `vlmbench fetch` and
`--verify` use it in the same way for the hub and for sources of other packages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vlmbench.cards import SourceSpec
from vlmbench.errors import DataError, VlmbenchError
from vlmbench.wording import counted, either

_CHUNK_BYTES = 1 << 20
Advance = Callable[[int], None]
"""Called with the number of bytes that have arrived; with a negative number if a damaged file starts again."""
FileKey = tuple[str, ...]
"""Identifies a file, such as (repository, commit, path): the same file has the same key. Its first part must differ
from the first parts of other sources' keys."""


@dataclass(frozen=True)
class RemoteFile:
    """One file to download, with the size and hash that it must have.

    Attributes:
        path: its path in the dataset or repository.
        size: in bytes; None if unknown.
        sha256: the SHA-256 of the content; None if unknown.
        git_sha1: the git object id; None if unknown.
        md5: the MD5 of the content; None if unknown.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Verified:
    """The result of comparing cached files with their known hashes.

    Attributes:
        damaged: the files whose content is not what it should be.
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
    """The files of one source that a run reads. They have been looked up, but not downloaded yet."""

    @property
    def revision(self) -> str | None:
        """The exact version that a run would read, such as a commit; None if there are no versions."""

    @property
    def offline(self) -> bool:
        """Whether the files were looked up in the cache only. Then nothing can be downloaded or replaced."""

    @property
    def files(self) -> Sequence[RemoteFile]:
        """The files that a run reads."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about the data that a reader of the results should know."""

    def missing(self) -> Sequence[Download]:
        """The files that the cache does not have; an empty list when offline."""

    def again(self, file: RemoteFile) -> Download:
        """A new download of a file whose cached copy is damaged."""

    def cached(self, file: RemoteFile) -> Path | None:
        """The path of the cached copy, which :func:`discard` can remove; None if the cache does not have the file."""

    def verify(self) -> Verified:
        """Compare every cached file with its known hash. :func:`verify_files` can be used for it.

        Raises:
            DataError: no cached file has a known hash.
        """

    def check(self) -> None:
        """Check that all files are in the cache and can be opened offline.

        Raises:
            MissingDataError, DataError: some files are not there, or cannot be opened.
        """


class Remote(Protocol):
    """How a source gets data that is not on this machine."""

    def is_remote(self, spec: SourceSpec) -> bool:
        """Whether this spec's data has to be downloaded; if not, the source opens it from the disk."""

    def look_up(self, spec: SourceSpec, *, offline: bool) -> RemoteData:
        """Find out which files a run of this spec reads, without downloading them.

        Args:
            offline: ask the cache only.

        Raises:
            MissingDataError: the data does not exist, or is not in the cache while offline.
            DataError: the data exists, but cannot be used.
        """

    # Any: a remote gets only downloads that it made itself.
    def transfer(
        self, wanted: Sequence[Sequence[Any]], *, workers: int, advance: Advance
    ) -> Mapping[FileKey, VlmbenchError]:
        """Download files into the cache, each file once.

        Args:
            wanted: lists of this remote's downloads. A list, such as that of one task, is useful only if all its files
                arrive.
            advance: called with the number of bytes that arrive, from several threads.

        Returns:
            The error of each file that could not be downloaded.
        """

    def cache_folder(self) -> Path:
        """The folder where downloads are kept. It need not exist yet."""


def mismatch(path: Path, file: RemoteFile) -> str | None:
    """A phrase that says what is wrong with a file's content; None if it is right, or no size and hash are known."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {counted(size, 'byte')} instead of {file.size:,}"
    if file.sha256:
        digest, expected = hashlib.sha256(), file.sha256
    elif file.git_sha1:
        digest, expected = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False), file.git_sha1
    elif file.md5:
        digest, expected = hashlib.md5(usedforsecurity=False), file.md5
    else:
        return None
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == expected else f"its checksum is {found[:12]}… instead of {expected[:12]}…"


def verify_files(place: str, cached: Sequence[tuple[RemoteFile, Path]]) -> Verified:
    """Compare cached files with their known hashes. No file is changed.

    Raises:
        DataError: no cached file has a known hash.
    """
    known = [(file, path) for file, path in cached if file.sha256 or file.git_sha1 or file.md5]
    if cached and not known:
        raise DataError(
            f"{place}: the hash of its {either(len(cached), 'cached file is', f'{len(cached):,} cached files is')} not "
            "known, so that nothing can be verified",
            hint="Use --verify online, or leave it out.",
        )
    damaged = tuple(file for file, path in known if mismatch(path, file) is not None)
    return Verified(damaged, len(known) - len(damaged), len(cached) - len(known))


def discard(path: Path) -> None:
    """Remove a cached file. If it is a link in a snapshot, remove the link and the file to which it leads."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)
