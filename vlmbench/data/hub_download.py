"""Files of a dataset repository, from a hub or its cache; each failure in words, with the next step."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from vlmbench.errors import DataError, MissingDataError, VlmbenchError

_LISTING_TIMEOUT_S = 30.0
_NETWORK_ERRORS = frozenset(("TransportError", "RequestException", "ConnectionError", "TimeoutError"))
"""By name: the hub's client has used requests, httpx and httpx2, which share only these names."""


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
    """The files that a repository (or, offline, its cache) has.

    Attributes:
        files: all of them, of every split.
        repo: the repository that was asked for; offline if the cache answered.
        commit: what the revision means now.
        trouble: why the cache answered although the hub was asked.
    """

    files: tuple[RemoteFile, ...]
    repo: Repo
    commit: str
    trouble: VlmbenchError | None = None

    @property
    def key(self) -> tuple[str, str]:
        """(repository, commit): equal for equal files."""
        return self.repo.id, self.commit

    @property
    def paths(self) -> list[str]:
        """The files' paths."""
        return [file.path for file in self.files]


def list_files(repo: Repo) -> Listing:
    """Every file of the repository; of its cached snapshot if offline or where the hub cannot be reached.

    Raises:
        MissingDataError: neither the hub nor the cache has it, or access is not granted.
        DataError: the revision does not exist, or the answer makes no sense.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError

    if repo.offline or _env_offline():
        return _cached(repo)
    try:
        info = HfApi(endpoint=endpoint()).dataset_info(
            repo.id, revision=repo.revision, timeout=_LISTING_TIMEOUT_S, files_metadata=True
        )
    except Exception as error:
        server_trouble = isinstance(error, HfHubHTTPError) and error.response.status_code >= 500
        trouble = explain(error, repo)
        if is_network_error(error) or server_trouble:
            try:
                return _cached(repo, trouble)
            except MissingDataError:
                pass  # the first error says more: the user did not ask to be offline
        raise trouble from error
    if not info.sha:
        raise DataError(f"hub {repo.id!r}: {_hub_name()} named no commit", hint="Check HF_ENDPOINT.")
    return Listing(tuple(_remote_file(sibling, repo) for sibling in info.siblings or ()), repo, info.sha)


def select(files: Iterable[RemoteFile], patterns: Sequence[str]) -> list[RemoteFile]:
    """The files that match one of the patterns, as the hub's client understands them."""
    from huggingface_hub.utils import filter_repo_objects

    return list(filter_repo_objects(files, allow_patterns=list(patterns), key=lambda file: file.path))


def snapshot(repo: Repo, patterns: Sequence[str]) -> Path:
    """The folder of a repository's commit, with the matching files linked into it; what is not cached is downloaded.

    Raises:
        MissingDataError, DataError: as :func:`list_files`; also when the disk is full or the cache read-only.
    """
    from huggingface_hub import snapshot_download

    try:
        with quiet_client():
            return Path(
                snapshot_download(
                    repo.id,
                    repo_type="dataset",
                    revision=repo.revision,
                    allow_patterns=list(patterns),
                    local_files_only=repo.offline,
                    endpoint=endpoint(),
                )
            )
    except Exception as error:
        raise explain(error, repo) from error


def explain(error: Exception, repo: Repo) -> VlmbenchError:
    """What a failure of the hub's client means to the user."""
    from huggingface_hub import errors as hub

    place = f"hub {repo.id!r}" + (f" at {repo.revision!r}" if repo.revision else "")
    where = _hub_name()
    if isinstance(error, VlmbenchError):
        return error
    if isinstance(error, hub.HFValidationError):
        return DataError(f"{place}: not the name of a repository", hint="Expected: organisation/name.")
    if isinstance(error, hub.GatedRepoError):
        return MissingDataError(
            f"{place}: gated, and this account has no access",
            hint=f"Ask for access at {where}/datasets/{repo.id}, then log in: hf auth login, or HF_TOKEN=….",
        )
    if isinstance(error, hub.RepositoryNotFoundError):
        return MissingDataError(
            f"{place}: no such dataset repository at {where}, or a private one",
            hint="Check its name. If it is private, log in: hf auth login, or HF_TOKEN=….",
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return DataError(f"{place}: the repository has no such revision", hint="Check `revision` in the card.")
    if isinstance(error, hub.HfHubHTTPError):
        status = error.response.status_code
        step = (
            "Log in: hf auth login, or HF_TOKEN=…."
            if status in (401, 403)
            else "Try again later; what was fetched is kept."
        )
        return MissingDataError(f"{place}: {where} answered {status}", hint=step)
    if repo.offline and isinstance(error, hub.LocalEntryNotFoundError):
        return MissingDataError(
            f"{place}: not (or not completely) in the cache {cache_folder()}, and --offline (or "
            "HF_HUB_OFFLINE) forbids to download it",
            hint="Run once online: then it is cached.",
        )
    if isinstance(error, hub.LocalEntryNotFoundError) or is_network_error(error):
        return MissingDataError(
            f"{place}: the connection to {where} failed ({type(error.__cause__ or error).__name__})",
            hint="Check the connection and HF_ENDPOINT. What was fetched is kept.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"{place}: no space left for the cache {cache_folder()}",
            hint="Free some, or set HF_HOME to a folder on a larger disk.",
        )
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return DataError(
            f"{place}: a file is larger than the cache {cache_folder()} may hold ({error.strerror})",
            hint="Look at `ulimit -f` and the kind of file system, or set HF_HOME to another folder.",
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return DataError(
            f"{place}: the cache {cache_folder()} cannot be written ({error.strerror})",
            hint="Set HF_HOME to a folder that can be.",
        )
    return DataError(f"{place}: cannot be fetched: {type(error).__name__}: {error}")


def is_network_error(error: Exception) -> bool:
    """Whether the hub could not be reached at all."""
    return any(kind.__name__ in _NETWORK_ERRORS for kind in type(error).__mro__)


def _cached(repo: Repo, trouble: VlmbenchError | None = None) -> Listing:
    offline = replace(repo, offline=True)
    folder = snapshot(offline, [])  # no file in particular: only where the snapshot is
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Listing(tuple(map(RemoteFile, files)), offline, folder.name, trouble)


def _remote_file(sibling: Any, repo: Repo) -> RemoteFile:
    path = PurePosixPath(sibling.rfilename)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"hub {repo.id!r}: it lists {sibling.rfilename!r}, which is outside of it")
    large = sibling.lfs
    if large is None:
        return RemoteFile(sibling.rfilename, sibling.size, git_sha1=sibling.blob_id)
    return RemoteFile(sibling.rfilename, large.size, sha256=large.sha256)


def endpoint() -> str | None:
    """The hub that HF_ENDPOINT names; None: the client's own default."""
    # The client reads HF_ENDPOINT when it is imported, which may have been long before anybody set it.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _hub_name() -> str:
    return endpoint() or "https://huggingface.co"


def _env_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cache_folder() -> Path:
    """Where the hub's client keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


@contextmanager
def quiet_client() -> Iterator[None]:
    """Silence the client's own bars and warnings: progress is ours, and errors are explained."""
    from huggingface_hub import utils

    verbosity, hidden = utils.logging.get_verbosity(), utils.are_progress_bars_disabled()
    utils.logging.set_verbosity_error()
    if not hidden:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.logging.set_verbosity(verbosity)
        if not hidden:
            utils.enable_progress_bars()


@contextmanager
def quiet_unless_terminal(progress_bars: Any) -> Iterator[None]:
    """Hide a library's progress bars where nobody watches them.

    Args:
        progress_bars: ``huggingface_hub.utils`` or ``datasets``, which have the same three functions.
    """
    hush = not sys.stderr.isatty() and not progress_bars.are_progress_bars_disabled()
    if hush:
        progress_bars.disable_progress_bars()
    try:
        yield
    finally:
        if hush:
            progress_bars.enable_progress_bars()
