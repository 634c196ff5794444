"""Explains failures of the hub's client to the user: what happened, and the next step.

Runs and ``vlmbench fetch`` show them.
"""

from __future__ import annotations

import errno

from vlmbench.data.hub.repo import Repo, cache_folder
from vlmbench.errors import DataError, MissingDataError, VlmbenchError
from vlmbench.network import hub_name, is_network_error, proxy_problem


def explain(error: BaseException, repo: Repo, path: str | None = None) -> VlmbenchError:
    """Explain a failure of the hub's client.

    Args:
        path: the file that was asked for, if it was one file.
    """
    from huggingface_hub import errors as hub

    if isinstance(error, hub.LocalEntryNotFoundError) and isinstance(error.__cause__, hub.HfHubHTTPError):
        error = error.__cause__  # the hub answered, and then the cache did not have it
    place = f"hub {repo.id!r}" + (f" at {repo.revision!r}" if repo.revision else "")
    where = hub_name()
    if isinstance(error, VlmbenchError):
        return error
    asked = f"{place}: {path}" if path else place
    if (problem := proxy_problem(error)) and not is_network_error(error):
        return MissingDataError(f"{asked}: {problem[0]}", hint=problem[1])
    if isinstance(error, hub.HFValidationError):
        return DataError(f"{place}: not the name of a repository", hint="Expected: organisation/name.")
    if isinstance(error, hub.GatedRepoError):
        return MissingDataError(
            f"{place}: it is gated, and this account has no access",
            hint=f"Ask for access at {where}/datasets/{repo.id}, then log in: hf auth login, or HF_TOKEN=….",
        )
    if isinstance(error, hub.RepositoryNotFoundError):
        return MissingDataError(
            f"{place}: no such dataset repository at {where}, or a private one",
            hint="Check its name. If it is private, log in: hf auth login, or HF_TOKEN=….",
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return DataError(f"{place}: the repository has no such revision", hint="Check `revision` in the card.")
    # Before version 1 the client raised this, without a response, for a file that the cache lacks too.
    if isinstance(error, hub.HfHubHTTPError) and error.response is not None:
        return _answered(error.response.status_code, asked, path)
    if repo.offline and isinstance(error, hub.LocalEntryNotFoundError):
        return MissingDataError(
            f"{place}: not (or not completely) in the cache {cache_folder()}, and --offline (or "
            "HF_HUB_OFFLINE) forbids downloading it",
            hint="Run the command once online, and it is cached.",
        )
    if isinstance(error, hub.LocalEntryNotFoundError) or is_network_error(error):
        return MissingDataError(
            f"{asked}: the connection to {where} failed ({type(error.__cause__ or error).__name__})",
            hint="Check the connection and HF_ENDPOINT. Files that have arrived are kept.",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"{place}: no space left for the cache {cache_folder()}",
            hint="Free some, or set HF_HOME to a folder on a larger disk.",
        )
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return DataError(
            f"{place}: the system allows no file of this size in the cache {cache_folder()} ({error.strerror})",
            hint="Check `ulimit -f` and the kind of file system, or set HF_HOME to another folder.",
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return DataError(
            f"{place}: the cache {cache_folder()} cannot be written ({error.strerror})",
            hint="Set HF_HOME to a folder that can be written.",
        )
    return DataError(f"{asked}: cannot be fetched: {type(error).__name__}: {error}")


def _answered(status: int, asked: str, path: str | None) -> VlmbenchError:
    """Explain an HTTP status.

    Args:
        path: the file that was asked for; the repository had listed it.
    """
    if status == 404 and path:
        return DataError(
            f"{asked} is listed but not there: {hub_name()} answered 404",
            hint="The repository or the mirror that HF_ENDPOINT names is incomplete. Name another `revision` or hub.",
        )
    if status in (401, 403):
        step = "Log in: hf auth login, or HF_TOKEN=…."
    elif status == 404:
        step = "Check the name, and HF_ENDPOINT."
    else:
        step = "Try again later; files that have arrived are kept."
    return MissingDataError(f"{asked}: {hub_name()} answered {status}", hint=step)
