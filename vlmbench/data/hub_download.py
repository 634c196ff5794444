"""Files of a dataset repository, from a hub or its cache; each failure in words, with the next step."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
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
class Listing:
    """The files that a repository (or, offline, its cache) has."""

    files: tuple[str, ...]
    repo: Repo
    """The repository that was asked for; offline if the hub could not be reached and the cache answered."""


def list_files(repo: Repo) -> Listing:
    """Every file of the repository; of its cached snapshot if offline or where the hub cannot be reached.

    Raises:
        MissingDataError: neither the hub nor the cache has it, or access is not granted.
        DataError: the revision does not exist, or the answer makes no sense.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError

    if repo.offline or _env_offline():
        return _cached(Repo(repo.id, repo.revision, offline=True))
    try:
        info = HfApi(endpoint=_endpoint()).dataset_info(repo.id, revision=repo.revision, timeout=_LISTING_TIMEOUT_S)
    except Exception as error:
        server_trouble = isinstance(error, HfHubHTTPError) and error.response.status_code >= 500
        if is_network_error(error) or server_trouble:
            try:
                return _cached(Repo(repo.id, repo.revision, offline=True))
            except MissingDataError:
                pass  # the first error says more: the user did not ask to be offline
        raise explain(error, repo) from error
    return Listing(tuple(sibling.rfilename for sibling in info.siblings or ()), repo)


def fetch(repo: Repo, patterns: Sequence[str]) -> tuple[Path, str]:
    """Download the files that match one of the patterns, unless the cache has them.

    Returns:
        The snapshot's folder and the commit it is of.

    Raises:
        MissingDataError, DataError: as :func:`list_files`; also when the disk is full or the cache read-only.
    """
    from huggingface_hub import snapshot_download, utils

    try:
        with quiet_unless_terminal(utils):
            folder = snapshot_download(
                repo.id,
                repo_type="dataset",
                revision=repo.revision,
                allow_patterns=list(patterns),
                local_files_only=repo.offline,
                endpoint=_endpoint(),
            )
    except Exception as error:
        raise explain(error, repo) from error
    return Path(folder), Path(folder).name


def explain(error: Exception, repo: Repo) -> VlmbenchError:
    """What a failure of the hub's client means to the user."""
    from huggingface_hub import errors as hub

    place = f"hub {repo.id!r}" + (f" at {repo.revision!r}" if repo.revision else "")
    where = _endpoint() or "https://huggingface.co"
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
            f"{place}: not (or not completely) in the cache {_cache_folder()}, and --offline (or "
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
            f"{place}: no space left for the cache {_cache_folder()}",
            hint="Free some, or set HF_HOME to a folder on a larger disk.",
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return DataError(
            f"{place}: the cache {_cache_folder()} cannot be written ({error.strerror})",
            hint="Set HF_HOME to a folder that can be.",
        )
    return DataError(f"{place}: cannot be fetched: {type(error).__name__}: {error}")


def is_network_error(error: Exception) -> bool:
    """Whether the hub could not be reached at all."""
    return any(kind.__name__ in _NETWORK_ERRORS for kind in type(error).__mro__)


def _cached(repo: Repo) -> Listing:
    folder, _ = fetch(repo, [])  # no file in particular: only where the snapshot is
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Listing(tuple(files), repo)


def _endpoint() -> str | None:
    # The client reads HF_ENDPOINT when it is imported, which may have been long before anybody set it.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _env_offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _cache_folder() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


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
