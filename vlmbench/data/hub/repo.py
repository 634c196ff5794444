"""Describes a dataset repository on a Hugging Face hub, and its files on the hub and in the client's cache.

The other modules of this folder use it. The cache has the layout that ``huggingface_hub`` documents: ``blobs/`` by
content and ``snapshots/`` by commit.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlmbench.data.remote import RemoteFile
from vlmbench.errors import VlmbenchError
from vlmbench.paths import user_path

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABANDONED_AFTER_S = 3600.0


@dataclass(frozen=True)
class Repo:
    """A dataset repository at a revision.

    Attributes:
        id: ``org/name``.
        revision: a commit, branch or tag; None: the main branch.
        offline: only the cache may answer.
    """

    id: str
    revision: str | None
    offline: bool


@dataclass(frozen=True)
class Listing:
    """The files that a repository has.

    Attributes:
        files: all files, of every split.
        repo: the repository that was asked for; its ``offline`` is true if the cache answered.
        commit: the commit that the revision names now.
        trouble: why the hub did not answer, if the cache had to.
        whole: False if the list of files is not known: then ``files`` are those in the cache.
    """

    files: tuple[RemoteFile, ...]
    repo: Repo
    commit: str
    trouble: VlmbenchError | None = None
    whole: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """(repository, commit): equal for listings of the same files."""
        return self.repo.id, self.commit

    @property
    def paths(self) -> list[str]:
        """The files' paths."""
        return [file.path for file in self.files]


def lies_inside(path: str) -> bool:
    """Whether this path stays inside its repository."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts


def env_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids asking the hub."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cache_folder() -> Path:
    """Where the hub's client keeps what it downloads."""
    from huggingface_hub import constants

    return user_path(constants.HF_HUB_CACHE)


def repo_folder(repo_id: str) -> Path:
    """Where the client keeps a dataset repository: ``blobs/`` by content, ``snapshots/`` by commit."""
    return cache_folder() / "--".join(("datasets", *repo_id.split("/")))


def cached_path(listing: Listing, file: RemoteFile) -> Path | None:
    """Find the file in the cache, in its full length; None if the cache does not have it.

    The file may be there under another commit or name. Then it only needs a link.
    """
    return in_snapshot(listing, file) or _whole(_blob(listing, file), file)


def in_snapshot(listing: Listing, file: RemoteFile) -> Path | None:
    """Find the file in the commit's snapshot, in its full length; None if it is not there."""
    return _whole(repo_folder(listing.repo.id) / "snapshots" / listing.commit / file.path, file)


def remove_abandoned(listing: Listing, file: RemoteFile) -> None:
    """Remove the parts of this file that killed downloads left. Since version 2 the client never uses them again.

    A part that was written to within the last hour stays: another process may be writing it.
    """
    blob = _blob(listing, file)
    if blob is None or not _HASH.fullmatch(blob.name):
        return
    for part in blob.parent.glob(f"{blob.name}.*.incomplete"):
        with suppress(OSError):  # another process was faster, or the cache cannot be written: the download will say so
            if part.stat().st_mtime < time.time() - _ABANDONED_AFTER_S:
                part.unlink()


def _blob(listing: Listing, file: RemoteFile) -> Path | None:
    """Where the client keeps the file's content: under the name of its hash."""
    name = file.sha256 or file.git_sha1
    return repo_folder(listing.repo.id) / "blobs" / name if name else None


def _whole(path: Path | None, file: RemoteFile) -> Path | None:
    return path if path and path.is_file() and file.size in (None, path.stat().st_size) else None
