"""Controls the adapters' access to the Hugging Face hub: enforces ``--offline``, and explains a failed fetch.

All adapters that fetch from the hub use it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub.constants

from vlmbench.errors import ModelError, first_line
from vlmbench.network import hub_name, no_connection, proxy_problem, without_password

_LOCK = threading.RLock()
_LONGEST_REASON = 300


@contextmanager
def hub_access(*, offline: bool) -> Iterator[None]:
    """Keep the hub's libraries off the network while a model loads, if ``offline`` is set.

    open_clip and its tokenizers have no such argument, and the environment variable is read only at import. So the
    library's own switch is set and restored. The lock prevents two loading threads from undoing each other's switch.
    """
    if not offline:
        with _few_tries():
            yield
        return
    with _LOCK:
        before = huggingface_hub.constants.HF_HUB_OFFLINE
        huggingface_hub.constants.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            huggingface_hub.constants.HF_HUB_OFFLINE = before


class _FewTries(logging.Filter):
    """Drops the lines in which the hub's client says that it tries again, and ends tries without a connection.

    The client asks five times more, after 1, 2, 4, 8 and 8 seconds, and has no setting for it. It logs each failure
    before it waits. An error that this filter raises is that failure, so the client reports it as its own.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = sys.exc_info()[1]
        if error is not None and no_connection(error) is not None:
            raise error
        return False


@contextmanager
def _few_tries() -> Iterator[None]:
    log, few = logging.getLogger("huggingface_hub.utils._http"), _FewTries()
    log.addFilter(few)
    try:
        yield
    finally:
        log.removeFilter(few)


def fetch_error(what: str, error: Exception, *, offline: bool, repository: str | None = None) -> ModelError:
    """The error for a file that is not on this machine and could not be fetched.

    Args:
        repository: the hub repository that holds it.
    """
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if offline:
        fetch = f": hf download {repository}" if repository else ", or run once without --offline"
        return ModelError(
            f"not in this machine's cache: {what}; --offline forbids fetching",
            hint=f"Fetch it on a machine with a network{fetch}. The variable HF_HOME names the cache's folder.",
        )
    if problem := proxy_problem(error):
        return ModelError(f"cannot fetch {what}: {problem[0]}", hint=problem[1])
    if repository and (cause := no_connection(error)):
        return ModelError(
            f"cannot fetch {what}: the connection to {hub_name()} failed ({type(cause).__name__})",
            hint="Check the connection and HF_ENDPOINT, or pass a local path. With --offline only the cache is read.",
        )
    return ModelError(
        f"cannot fetch {what}: {first_line(without_password(reason), most=_LONGEST_REASON)}",
        hint="Check the name and the network (or HF_ENDPOINT, HF_TOKEN for gated weights), or pass a local path. "
        "With --offline only the cache is read.",
    )


def fetched_revision(path: Path) -> str | None:
    """The commit of the hub repository from which a file in the hub's cache was fetched; None for any other file.

    The cache keeps ``models--ORG--REPO/snapshots/COMMIT/FILE`` (huggingface_hub's guide "Manage your cache").
    """
    folders = path.parts
    for repository, snapshots, commit in zip(folders, folders[1:], folders[2:], strict=False):
        if repository.startswith("models--") and snapshots == "snapshots":
            return commit
    return None


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars and load reports. The adapters check the same facts, and raise or remark."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
