"""Explains errors of the network and of proxies, names the hub, and keeps passwords out of messages.

Sources and adapters that ask a hub for data or models call :func:`proxy_problem` and :func:`no_connection` on an error,
and :func:`without_password` on an address.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_NETWORK_ERRORS = frozenset(("TransportError", "RequestException", "ConnectionError", "TimeoutError"))
"""Names of network errors. Versions of the hub's client use requests, httpx or httpx2, which share only these names."""
_UNREACHABLE = frozenset(("ConnectError", "ConnectTimeout", "ConnectionError", "gaierror"))
"""Names of errors before a server has answered: its name has no address, or there is no way to it."""
_SAID = re.compile(r"socks|proxy|proxies", re.IGNORECASE)
_SOCKS = re.compile(r"socks", re.IGNORECASE)


def endpoint() -> str | None:
    """The hub that HF_ENDPOINT names; None: the client's own default."""
    # The client reads HF_ENDPOINT when it is imported, which may be long before it is set.
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def hub_name() -> str:
    """The hub's address, for messages: without a password."""
    return without_password(endpoint() or "https://huggingface.co")


def is_network_error(error: BaseException) -> bool:
    """Whether a server could not be reached at all, or did not answer."""
    return _is_named(error, _NETWORK_ERRORS)


def no_connection(error: BaseException) -> BaseException | None:
    """The error of the connection that made another error happen; None if a server answered."""
    return next((each for each in _chain(error) if _is_named(each, _UNREACHABLE)), None)


def _is_named(error: BaseException, names: frozenset[str]) -> bool:
    """Whether the class of an error, or one that it is made from, has one of these names."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def proxy_problem(error: BaseException) -> tuple[str, str] | None:
    """Explain a failure that the proxy in the environment causes: (problem, remedy); None if it is not the cause.

    Libraries raise an ``ImportError`` for a SOCKS proxy if its package is not installed, and a ``ValueError`` for an
    unknown kind of proxy. They do so when they make their client, before they connect.
    """
    named = [name for name, value in os.environ.items() if name.lower() in _VARIABLES and value]
    if not named or not any(_SAID.search(str(each)) for each in _chain(error)):
        return None
    variables = ", ".join(sorted(named))
    if any(_SOCKS.search(os.environ[name]) for name in named):
        return (
            f"the SOCKS proxy that {variables} names needs a package that is not installed",
            "pip install socksio PySocks, or unset the variable.",
        )
    return f"the proxy that {variables} names cannot be used", "It should be http://HOST:PORT. Or unset the variable."


def without_password(text: str) -> str:
    """The text without the names and passwords that stand before the host of its addresses.

    >>> without_password("404 for https://me:secret@hub.example/api")
    '404 for https://hub.example/api'
    """
    return _LOGIN.sub(r"\1", text)


_LOGIN = re.compile(r"(\bhttps?://)[^/\s?#@]*(?:@[^/\s?#@]*)*@", re.IGNORECASE)
"""The beginning of an address up to the sign before its host (RFC 3986, section 3.2.1)."""
_VARIABLES = frozenset(f"{scheme}_proxy" for scheme in ("all", "http", "https"))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
