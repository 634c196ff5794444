"""A dataset repository on a Hugging Face hub, its files, and where the hub and its cache are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vlmbench.errors import VlmbenchError


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
class RemoteFile:
    """One file of a repository, with what its content must be.

    Attributes:
        path: within the repository.
        size: bytes; None where the hub did not say.
        sha256: of the content, for files in large file storage.
        git_sha1: the git object id of the others.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True)
class Listing:
    """The files that a repository has.

    Attributes:
        files: all of them, of every split.
        repo: the repository that was asked for; offline if the cache answered.
        commit: what the revision means now.
        trouble: why the cache answered although the hub was asked.
        whole: False where nobody knows all of the files: these are only those that the cache happens to have.
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
    # The client reads HF_ENDPOINT when it is imported, which may have been long before anybody set it.
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

    return Path(constants.HF_HUB_CACHE).expanduser()


def repo_folder(repo_id: str) -> Path:
    """Where the client keeps a dataset repository: ``blobs/`` by content, ``snapshots/`` by commit."""
    from huggingface_hub.file_download import repo_folder_name

    return cache_folder().joinpath(repo_folder_name(repo_id=repo_id, repo_type="dataset"))
