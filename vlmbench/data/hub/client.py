"""Lists a repository's files and links them into a snapshot, through ``huggingface_hub``.

The other modules of this folder use it. The client's own bars and warnings are silenced here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from vlmbench.data.hub.errors import explain
from vlmbench.data.hub.manifest import recall
from vlmbench.data.hub.repo import Listing, Repo, env_offline, lies_inside
from vlmbench.data.remote import RemoteFile
from vlmbench.errors import DataError, MissingDataError, VlmbenchError
from vlmbench.network import endpoint, hub_name, is_network_error

_LISTING_TIMEOUT_S = 30.0
_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


def list_files(repo: Repo) -> Listing:
    """List every file of the repository.

    The cached snapshot answers if the repository is offline or if the hub cannot be reached.

    Raises:
        MissingDataError: neither the hub nor the cache has it, or access is not granted.
        DataError: the revision does not exist, or the answer makes no sense.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError

    if repo.offline or env_offline():
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
        raise DataError(f"hub {repo.id!r}: {hub_name()} answered without naming a commit", hint="Check HF_ENDPOINT.")
    return Listing(tuple(_remote_file(sibling, repo) for sibling in info.siblings or ()), repo, info.sha)


def select(files: Iterable[RemoteFile], patterns: Sequence[str]) -> list[RemoteFile]:
    """Select the files that match one of the patterns, by the client's own rules."""
    from huggingface_hub.utils import filter_repo_objects

    return list(filter_repo_objects(files, allow_patterns=list(patterns), key=lambda file: file.path))


def snapshot(repo: Repo, patterns: Sequence[str]) -> Path:
    """Link the matching files of a commit into its folder, and return the folder.

    Files that are not cached are downloaded, unless the repository is offline.

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


def _cached(repo: Repo, trouble: VlmbenchError | None = None) -> Listing:
    offline = replace(repo, offline=True)
    folder = snapshot(offline, [])  # it asks for no file: only the folder is wanted
    listed = recall(repo.id, folder.name)
    if listed is not None:
        return Listing(listed, offline, folder.name, trouble)
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    files = tuple(_cached_file(path, path.relative_to(folder).as_posix()) for path in found)
    return Listing(files, offline, folder.name, trouble, whole=False)


def _cached_file(path: Path, name: str) -> RemoteFile:
    """Describe a cached file by its link: the client names the content by the hub's hash of it."""
    blob = os.path.basename(os.readlink(path)) if path.is_symlink() else ""
    if _SHA256.fullmatch(blob):
        return RemoteFile(name, sha256=blob)
    return RemoteFile(name, git_sha1=blob if _SHA1.fullmatch(blob) else None)


def _remote_file(sibling: Any, repo: Repo) -> RemoteFile:
    if not lies_inside(sibling.rfilename):
        raise DataError(f"hub {repo.id!r}: it lists {sibling.rfilename!r}, and that path leads outside of it")
    large = sibling.lfs
    if large is None:
        return RemoteFile(sibling.rfilename, sibling.size, git_sha1=sibling.blob_id)
    return RemoteFile(sibling.rfilename, large.size, sha256=large.sha256)


class _QuietClient:
    """Counts the threads that want the client quiet: the first one in silences it, the last one out restores it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._restore: Callable[[], None] | None = None

    def enter(self) -> None:
        with self._lock:
            if self._restore is None:
                self._restore = _silence()
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._restore is not None:
                self._restore()
                self._restore = None


_QUIET = _QuietClient()


@contextmanager
def quiet_client() -> Iterator[None]:
    """Silence the client's own bars and warnings, since vlmbench shows progress and explains errors itself."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()


def _silence() -> Callable[[], None]:
    """Silence the client. Returns a function that restores its settings."""
    from huggingface_hub import utils

    verbosity, hidden = utils.logging.get_verbosity(), utils.are_progress_bars_disabled()
    utils.logging.set_verbosity_error()
    if not hidden:
        utils.disable_progress_bars()

    def restore() -> None:
        utils.logging.set_verbosity(verbosity)
        if not hidden:
            utils.enable_progress_bars()

    return restore


@contextmanager
def quiet_unless_terminal(progress_bars: Any) -> Iterator[None]:
    """Hide a library's progress bars if stderr is no terminal.

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
