"""Explains proxies that a library cannot use. Such a library fails before it reaches the network.

Sources and adapters that ask a hub for data or models call :func:`proxy_problem` on an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_SAID = re.compile(r"socks|proxy|proxies", re.IGNORECASE)
_SOCKS = re.compile(r"socks", re.IGNORECASE)


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


_VARIABLES = frozenset(f"{scheme}_proxy" for scheme in ("all", "http", "https"))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
