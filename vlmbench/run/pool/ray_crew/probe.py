"""Finds out within seconds whether a Ray cluster answers at an address. Ray itself tries for minutes."""

from __future__ import annotations

import os
import socket

from vlmbench.errors import UsageError

CONNECTS_WITHIN_S = 5.0
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How a client of HTTP/2 begins (RFC 9113, section 3.4): the preface, and an empty SETTINGS frame. Ray's servers speak
HTTP/2 and answer with their SETTINGS."""
_SETTINGS = 4
_HEADER = 9
_ASKS_WITHIN_MS = 5000


def split_address(address: str) -> tuple[str, int]:
    """The host and the port of ``host:port``.

    Raises:
        UsageError: it is something else.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in address or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageError(
            f"{address!r} is not the address of a Ray cluster",
            hint="Give host:port as `ray start --head` prints it (the port is usually 6379), or auto on a machine of "
            "the cluster.",
        )
    return host, int(port)


def check_address(address: str) -> None:
    """Check that the head of a Ray cluster answers.

    Raises:
        UsageError: nothing answers, or something else does.
    """
    host, port = split_address(address)
    try:
        with socket.create_connection((host, port), timeout=CONNECTS_WITHIN_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") in ("", "0") and not _speaks_http2(connection):
                raise UsageError(f"what answers at {address} is not a Ray cluster", hint=_HINT)
    except OSError as error:
        raise UsageError(f"no Ray cluster answers at {address}: {_reason(error)}", hint=_HINT) from error
    _check_head(address)


def answers(address: str) -> bool:
    """Whether something still listens at an address."""
    try:
        with socket.create_connection(split_address(address), timeout=CONNECTS_WITHIN_S):
            return True
    except OSError:
        return False


_HINT = "`ray status` on a machine of the cluster says whether it runs; `ray start --head` prints its address."


def _speaks_http2(connection: socket.socket) -> bool:
    connection.settimeout(CONNECTS_WITHIN_S)
    connection.sendall(_HELLO)
    header = b""
    while len(header) < _HEADER:
        received = connection.recv(_HEADER - len(header))
        if not received:
            return False
        header += received
    return header[3] == _SETTINGS


def _check_head(address: str) -> None:
    """Ask for the id of the cluster, since workers and other services of Ray speak the same protocol."""
    from ray import _raylet
    from ray.exceptions import RayError

    client = getattr(_raylet, "InnerGcsClient", None)
    if client is None:  # another version of Ray: it finds out itself
        return
    try:
        client.standalone(address, None, _ASKS_WITHIN_MS)
    except RayError as error:
        raise UsageError(f"what answers at {address} is not the head of a Ray cluster", hint=_HINT) from error


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is unknown"
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECTS_WITHIN_S:.0f} seconds"
    return (error.strerror or str(error)).lower()
