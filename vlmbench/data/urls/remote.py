"""The :class:`~vlmbench.data.remote.Remote` of datasets at URLs, by which ``vlmbench fetch`` copies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Source, SourceContext
from vlmbench.data.location import is_at_url, missing
from vlmbench.data.remote import Advance, FileKey, RemoteFile, Verified, verify_files
from vlmbench.data.urls.copies import FolderCopy, copies_folder, copy_files
from vlmbench.data.urls.wanted import folders_below_root, folders_of, url_locations
from vlmbench.errors import MissingDataError, VlmbenchError
from vlmbench.storage.base import Entry


@dataclass(frozen=True)
class CopyJob:
    """One file to copy.

    Attributes:
        damaged: whether it is there, but with wrong content.
    """

    folder: FolderCopy
    entry: Entry
    damaged: bool = False

    @property
    def key(self) -> FileKey:
        """("url", folder, path, version)."""
        return "url", self.folder.url.text, self.entry.name, self.entry.version

    @property
    def missing(self) -> int:
        """How many bytes are still to come."""
        return self.entry.size


@dataclass(frozen=True)
class UrlData:
    """The files of some folders of object storage, as a :class:`~vlmbench.data.remote.RemoteData`."""

    folders: tuple[FolderCopy, ...]
    revision: None = None
    notes: tuple[str, ...] = ()

    @property
    def offline(self) -> bool:
        return any(folder.offline for folder in self.folders)

    @cached_property
    def _by_path(self) -> Mapping[str, tuple[FolderCopy, Entry, RemoteFile]]:
        found = {}
        for folder in self.folders:
            no_md5 = folder.journal.read().no_md5
            for entry in folder.entries:
                file = folder.remote_file(entry, no_md5=no_md5)
                found[file.path] = folder, entry, file
        return found

    @property
    def files(self) -> list[RemoteFile]:
        return [file for _, _, file in self._by_path.values()]

    def missing(self) -> list[CopyJob]:
        if self.offline:
            return []
        return [CopyJob(folder, entry) for folder in self.folders for entry in folder.missing()]

    def again(self, file: RemoteFile) -> CopyJob:
        folder, entry, _ = self._by_path[file.path]
        return CopyJob(folder, entry, damaged=True)

    def cached(self, file: RemoteFile) -> Path | None:
        folder, entry, _ = self._by_path[file.path]
        path = folder.local / entry.name
        return path if folder.journal.read().has(entry) else None

    def verify(self) -> Verified:
        there = {folder.url.text: folder.journal.read() for folder in self.folders}
        cached = [
            (file, folder.local / entry.name)
            for folder, entry, file in self._by_path.values()
            if there[folder.url.text].has(entry)
        ]
        return verify_files(", ".join(f"'{folder.url}'" for folder in self.folders), cached)

    def check(self) -> None:
        for folder in self.folders:
            if lacking := folder.missing():
                raise MissingDataError(
                    f"the copy of '{folder.url}' lacks {len(lacking):,} of its {len(folder.entries):,} files",
                    hint="Run `vlmbench fetch` online.",
                )


class UrlRemote:
    """Copies of one entry's data at URLs as a :class:`~vlmbench.data.remote.Remote`.

    Args:
        source: reads the data.
        context: has the data root.
    """

    def __init__(self, source: Source, context: SourceContext) -> None:
        self._source = source
        self._context = context
        self._found: tuple[FolderCopy, ...] | None = None

    def is_remote(self, spec: SourceSpec) -> bool:
        """Whether the data is at a URL and must be copied. Streamed data is not, nor what is only on this machine.

        Raises:
            MissingDataError: it has no copy while offline.
            UsageError, DataError, StoreError: as :func:`~vlmbench.data.urls.opened.open_at_url`.
        """
        if self._source.stream is not None or not is_at_url(self._source, spec, self._context):
            return False
        return bool(self._folders(spec))

    def look_up(self, spec: SourceSpec, *, offline: bool) -> UrlData:
        """The folders of the first location that exists."""
        if not (found := self._folders(spec)):
            raise missing(spec, self._context)
        return UrlData(found)

    def _folders(self, spec: SourceSpec) -> tuple[FolderCopy, ...]:
        if self._found is None:
            self._found = self._listed(spec)
        return self._found

    def _listed(self, spec: SourceSpec) -> tuple[FolderCopy, ...]:
        if self._source.below_root is not None:
            return tuple(folders_below_root(self._source, spec, self._context))
        each = (folders_of(location, spec, self._context) for location in url_locations(spec, self._context))
        return tuple(next(filter(None, each), ()))

    def transfer(
        self, wanted: Sequence[Sequence[CopyJob]], *, workers: int, advance: Advance
    ) -> Mapping[FileKey, VlmbenchError]:
        """Copy the files, folder by folder. A folder whose copy fails does not stop the others."""
        jobs = {job.key: job for files in wanted for job in files}
        folders = {job.folder.url.text: job.folder for job in jobs.values()}
        failed: dict[FileKey, VlmbenchError] = {}
        for url, folder in folders.items():
            of_folder = {job.entry.name: job for job in jobs.values() if job.folder.url.text == url}
            again = [job.entry for job in of_folder.values() if job.damaged]
            entries = [job.entry for job in of_folder.values()]
            problems = copy_files(folder, entries, workers=workers, advance=advance, again=again)
            failed |= {of_folder[name].key: problem for name, problem in problems.items()}
        return failed

    def cache_folder(self) -> Path:
        """Where the copies are."""
        return copies_folder()
