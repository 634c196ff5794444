"""A dataset repository on a Hugging Face hub and its files, on the hub and in the cache of the hub's client."""

from __future__ import annotations

import os
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
        offline: only the cache may be asked.
    """

    id: str
    revision: str | None
    offline: bool


@dataclass(frozen=True)
class Listing:
    """The files that a repository has.

    Attributes:
        files: all of them, of every split.
        repo: the repository that was asked for; offline if the cache answered.
        commit: what the revision means now.
        trouble: why the cache answered although the hub was asked.
        whole: False if the repository's files are not known: then these are the ones that the cache has.
    """

    files: tuple[RemoteFile, ...]
    repo: Repo
    commit: str
    trouble: VlmbenchError | None = None
    whole: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """(repository, commit): equal for equal files."""
        return self.repo.id, self.commit

    @property
    def paths(self) -> list[str]:
        """The files' paths."""
        return [file.path for file in self.files]


def lies_inside(path: str) -> bool:
    """Whether a file of this path lies inside of its repository."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts


def endpoint() -> str | None:
    """The hub that HF_ENDPOINT names; None: the client's own default."""
    # The client reads HF_ENDPOINT when it is imported, which may be long before it is set.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def hub_name() -> str:
    """The hub's address, for messages."""
    return endpoint() or "https://huggingface.co"


def env_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids to ask the hub."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cache_folder() -> Path:
    """Where the hub's client keeps what it downloads."""
    from huggingface_hub import constants

    return user_path(constants.HF_HUB_CACHE)


def repo_folder(repo_id: str) -> Path:
    """Where the client keeps a dataset repository: ``blobs/`` by content, ``snapshots/`` by commit."""
    from huggingface_hub.file_download import repo_folder_name

    return cache_folder().joinpath(repo_folder_name(repo_id=repo_id, repo_type="dataset"))


def cached_path(listing: Listing, file: RemoteFile) -> Path | None:
    """Where the cache has the file in its full length; None if it does not.

    It may be there under another commit or name: then it only needs to be linked.
    """
    return in_snapshot(listing, file) or _whole(_blob(listing, file), file)


def in_snapshot(listing: Listing, file: RemoteFile) -> Path | None:
    """Where the commit's snapshot has the file in its full length; None if it does not."""
    return _whole(repo_folder(listing.repo.id) / "snapshots" / listing.commit / file.path, file)


def remove_abandoned(listing: Listing, file: RemoteFile) -> None:
    """Remove the parts of this file that killed downloads left: since version 2 the client gives each a name of its own.

    A part that was written to within the last hour may be another process's, and stays.
    """
    blob = _blob(listing, file)
    if blob is None or not _HASH.fullmatch(blob.name):
        return
    for part in blob.parent.glob(f"{blob.name}.*.incomplete"):
        with suppress(OSError):  # another process was faster, or the cache cannot be written: the download will say so
            if part.stat().st_mtime < time.time() - _ABANDONED_AFTER_S:
                part.unlink()


def _blob(listing: Listing, file: RemoteFile) -> Path | None:
    """The hub's client names a blob by its hash."""
    name = file.sha256 or file.git_sha1
    return repo_folder(listing.repo.id) / "blobs" / name if name else None


def _whole(path: Path | None, file: RemoteFile) -> Path | None:
    return path if path and path.is_file() and file.size in (None, path.stat().st_size) else None
