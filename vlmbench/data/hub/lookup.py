"""Decides which files of a hub repository a run reads, and looks them up on the hub or in the cache.

The ``hub`` source and ``vlmbench fetch`` use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from vlmbench.cards import SourceSpec
from vlmbench.data.formats.shards import DEFAULT_SPLIT, METADATA_FILES
from vlmbench.data.hub.client import list_files, quiet_client, select
from vlmbench.data.hub.complete import doubts
from vlmbench.data.hub.repo import Listing, Repo, cache_folder, cached_path
from vlmbench.data.hub.transfer import Job, link, missing_files, transfer
from vlmbench.data.labels import listing
from vlmbench.data.remote import RemoteFile, Verified, verify_files
from vlmbench.errors import DataError, MissingDataError

CARD_FILES = ("README.md", "*.yaml", "dataset_infos.json")
"""Files that ``datasets`` reads besides the data, for configurations and features."""


@dataclass(frozen=True)
class RepositoryData:
    """The files of a repository that a run reads, as a :class:`~vlmbench.data.remote.RemoteData`."""

    listing: Listing
    patterns: tuple[str, ...]

    @property
    def revision(self) -> str:
        return self.listing.commit

    @property
    def offline(self) -> bool:
        return self.listing.repo.offline

    @property
    def files(self) -> list[RemoteFile]:
        return select(self.listing.files, self.patterns)

    @property
    def notes(self) -> list[str]:
        return doubts(self.listing)

    def missing(self) -> list[Job]:
        return missing_files(self.listing, self.patterns)

    def again(self, file: RemoteFile) -> Job:
        return Job(self.listing, file)

    def cached(self, file: RemoteFile) -> Path | None:
        return cached_path(self.listing, file)

    def verify(self) -> Verified:
        """Compare every cached file with the hub's hash of it.

        If the cache answers instead of the hub, the hash comes from the hub's last list. Without a list it is the name
        under which the client keeps the file.
        """
        cached = [(file, path) for file in self.files if (path := self.cached(file))]
        return verify_files(f"hub {self.listing.repo.id!r}", cached)

    def check(self) -> None:
        link(self.listing, self.patterns)


class HubRemote:
    """The hub as a :class:`~vlmbench.data.remote.Remote`."""

    def is_remote(self, spec: SourceSpec) -> bool:
        """Whether the location names a repository and not a folder."""
        return not spec.location.startswith(("/", "~", "."))

    def look_up(self, spec: SourceSpec, *, offline: bool) -> RepositoryData:
        """List a repository's files and choose those that a run reads. Only this decides what is fetched.

        Raises:
            MissingDataError: the repository does not exist, is not cached while offline, or refuses access.
            DataError: the revision does not exist, or ``data_files`` matches nothing.
        """
        with quiet_client():
            found = list_files(Repo(spec.location, spec.revision, offline))
        return RepositoryData(found, tuple(_patterns(found.paths, spec.split or DEFAULT_SPLIT, spec)))

    transfer = staticmethod(transfer)
    cache_folder = staticmethod(cache_folder)


def _patterns(files: Sequence[str], split: str, spec: SourceSpec) -> list[str]:
    splits = splits_in_tars(files)
    if not splits:
        wanted = split_files(files, split, spec)
        return [*CARD_FILES, *wanted] if wanted else ["*"]
    if split not in splits:
        raise MissingDataError(
            f"hub {spec.location!r}: no split {split!r}; it has {listing(splits)}",
            hint="Name one as `split` of the card's source. Offline, only splits that were fetched before are known.",
        )
    return [*METADATA_FILES, f"{split}/nshards.txt", f"{split}/*.tar"]


def splits_in_tars(files: Sequence[str]) -> list[str]:
    """The folders at the top of a repository that hold tar files."""
    paths = [PurePosixPath(file) for file in files]
    return sorted({str(path.parent) for path in paths if path.suffix == ".tar" and len(path.parts) == 2})


def split_files(files: Sequence[str], split: str, spec: SourceSpec) -> list[str]:
    """Patterns of a table's files for this split; empty if only ``datasets`` can find them."""
    asked = spec.options.get("data_files")
    if asked is not None:
        patterns = [asked] if isinstance(asked, str) else list(asked)
        for pattern in patterns:
            if not any(fnmatch(file, pattern) for file in files):
                raise DataError(f"hub {spec.location!r}: data_files: nothing matches {pattern!r}")
        return patterns
    pushed = f"{spec.options.get('name', 'data')}/{split}-*"
    return [pushed] if any(fnmatch(file, pushed) for file in files) else []
