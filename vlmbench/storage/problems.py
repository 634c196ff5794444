"""Tells what went wrong at a storage: a passing problem, a missing file, or an error in plain words.

:mod:`vlmbench.storage.remote` asks it. The libraries below fsspec raise many classes of errors, and each has its own
field for the status that the server answered.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from vlmbench.errors import StoreError
from vlmbench.network import without_password
from vlmbench.storage.base import Url
from vlmbench.storage.schemes import scheme_of

_PASSING_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""409 is the answer of S3 to two conditional requests at once; the loser should ask again."""
_PASSING_CODES = frozenset(
    {
        "InternalError",
        "OperationAborted",
        "ConditionalRequestConflict",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TransientError",
    }
)
_PASSING_CLASSES = frozenset(
    {
        "ClientConnectionError",
        "ClientOSError",
        "ClientPayloadError",
        "ConnectionError",
        "FSTimeoutError",
        "HTTPClientError",
        "IncompleteRead",
        "IncompleteReadError",
        "ProtocolError",
        "ReadTimeoutError",
        "ResponseParserError",
        "ResponseStreamingError",
        "ServerDisconnectedError",
        "ServiceRequestError",
        "ServiceResponseError",
        "TimeoutError",
        "TransportError",
    }
)
"""Names of errors of connections in aiohttp, botocore, requests, httpx, azure and google, which share only these."""
_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "DefaultCredentialsError",
        "RefreshError",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "UnauthorizedSSOTokenError",
        "ProfileNotFound",
        "LocalTokenNotFoundError",
    }
)
_NO_PLACE_CODES = frozenset({"NoSuchBucket", "ContainerNotFound"})
_NO_PLACE_CLASSES = frozenset({"RepositoryNotFoundError", "RevisionNotFoundError"})


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later: a dropped or slow connection, or a busy server."""
    if any(
        isinstance(each, ConnectionError | TimeoutError | socket.gaierror) or _named(each, _PASSING_CLASSES)
        for each in _chain(error)
    ):
        return True
    return _code(error) in _PASSING_CODES or _status(error) in _PASSING_STATUS


def is_missing(error: BaseException) -> bool:
    """Whether there is no such file, though the bucket or repository exists."""
    return (isinstance(error, FileNotFoundError) or _status(error) == 404) and not _no_place(error)


def has_changed(error: BaseException) -> bool:
    """Whether a request for one version of a file was refused, because the file has another version now."""
    return _status(error) == 412 or _code(error) == "PreconditionFailed"


def plain_error(url: Url, doing: str, error: BaseException) -> StoreError:
    """The error for a request that failed for good.

    Args:
        url: the folder.
        doing: what failed, such as "read" or "write to".
    """
    scheme = scheme_of(url.scheme)
    where = f"cannot {doing} '{url}'"
    credentials = f"Credentials are taken from {scheme.credentials}."
    status, code = _status(error), _code(error)
    if any(_named(each, _NO_CREDENTIALS) for each in _chain(error)):
        return StoreError(f"{where}: no credentials were found, or they cannot be used", hint=credentials)
    if code == "RequestTimeTooSkewed":
        return StoreError(f"{where}: the clock of this machine is wrong", hint="Set its time.")
    if code in ("ExpiredToken", "TokenRefreshRequired"):
        return StoreError(f"{where}: the credentials have expired", hint=f"Get new ones. {credentials}")
    if isinstance(error, PermissionError) or status in (401, 403):
        return StoreError(f"{where}: the storage does not allow it{_in_brackets(status)}", hint=credentials)
    if _no_place(error) or isinstance(error, FileNotFoundError) or status == 404:
        first = url.text.partition("://")[2].split("/")[0]
        named = f" {first!r}" if scheme.place in ("bucket", "container") else ""
        return StoreError(
            f"{where}: there is no such {scheme.place}{named}",
            hint=f"Check the name, or make the {scheme.place}. If it exists, check your credentials. {credentials}",
        )
    if is_passing(error):
        reason = f"the server answered {status}" if status else "it cannot be reached, or does not answer"
        return StoreError(f"{where}: {reason}, also when it was asked again", hint="Try again later.")
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
        return StoreError(f"{where}: the bucket is in another region", hint="Set AWS_DEFAULT_REGION to its region.")
    said = without_password(str(error).strip().partition("\n")[0])[:_LONGEST] or "no message"
    return StoreError(f"{where}: {type(error).__name__}{_in_brackets(status)}: {said}")


_LONGEST = 200


def _in_brackets(status: int | None) -> str:
    return f" ({status})" if status else ""


def _no_place(error: BaseException) -> bool:
    return _code(error) in _NO_PLACE_CODES or any(
        _named(each, _NO_PLACE_CLASSES) or "bucket does not exist" in str(each) for each in _chain(error)
    )


def _status(error: BaseException) -> int | None:
    """The HTTP status that a server answered; None if it is not known."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict):  # botocore
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:  # requests, httpx; aiohttp and azure; google
            status = next(
                (
                    found
                    for found in (
                        getattr(response, "status_code", None),
                        getattr(each, "status", None),
                        getattr(each, "status_code", None),
                        getattr(each, "code", None),
                    )
                    if isinstance(found, int)
                ),
                None,
            )
        if isinstance(status, int) and 100 <= status < 600:
            return status
    return None


def _code(error: BaseException) -> str | None:
    """The code in words of an answer of S3 or Azure, such as "NoSuchBucket"."""
    for each in _chain(error):
        response = getattr(each, "response", None)
        found = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        found = found or getattr(each, "error_code", None)
        if isinstance(found, str) and found and not found.isdigit():
            return found
    return None


def _named(error: BaseException, names: frozenset[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and the errors that caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
