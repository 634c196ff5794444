"""Addresses of Ray clusters: a wrong one is one plain message within seconds. No cluster runs here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from missing_packages import without_packages

from vlmbench.errors import MissingDependencyError, UsageError
from vlmbench.run.executors import find_executor
from vlmbench.run.pool.ray_crew import probe
from vlmbench.run.pool.ray_crew.cluster import connected


@pytest.fixture
def port_of() -> Iterator[Callable[[bytes | None], int]]:
    """Makes a server that answers every connection with these bytes; None: it never answers."""
    opened: list[socket.socket] = []

    def make(answer: bytes | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def serve() -> None:
            connection, _ = server.accept()
            opened.append(connection)
            connection.recv(1000)
            if answer is not None:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield make
    for each in opened:
        each.close()


def test_without_ray_the_message_says_what_to_install() -> None:
    with without_packages("ray"), pytest.raises(MissingDependencyError) as caught:
        find_executor("ray")
    assert caught.value.hint == "pip install 'vlmbench[ray]'"


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ("ray:ray://head:10001", "is an address for Ray Client or Ray Jobs"),
        ("ray:http://head:8265", "is an address for Ray Client or Ray Jobs"),
        ("ray:head", "is not the address of a Ray cluster"),
        ("ray:head:0", "is not the address of a Ray cluster"),
        ("ray:head:port", "is not the address of a Ray cluster"),
        ("ray:head:70000", "is not the address of a Ray cluster"),
        ("ray:/tmp/ray:1", "is not the address of a Ray cluster"),
        ("ray://head:10001", "'ray://head:10001' is an address for Ray Client"),
        ("ray:head:6379,workers=0", "executor 'ray': workers must be"),
        ("ray:workers=two", "executor 'ray': workers must be"),
        ("ray:head:6379,auto", "executor 'ray' has no option 'auto'"),
    ],
)
def test_wrong_arguments(executor: str, message: str) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with pytest.raises(UsageError, match=message):
        find_executor(executor)


@pytest.mark.parametrize("executor", ["ray", "ray:auto", "ray:10.0.0.1:6379,workers-per-gpu=2", "ray:workers=3"])
def test_right_arguments_connect_to_nothing(executor: str) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    assert find_executor(executor) is not None


def test_an_address_of_ipv6() -> None:
    assert probe.split_address("[fd00::1]:6379") == ("fd00::1", 6379)


def test_nothing_answers(monkeypatch: pytest.MonkeyPatch, port_of: Callable[[bytes | None], int]) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    monkeypatch.setattr(probe, "CONNECTS_WITHIN_S", 0.2)
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127.0.0.1:1: connection refused"):
        connected("127.0.0.1:1").__enter__()
    with pytest.raises(UsageError, match=r"no Ray cluster answers at no-such-host.invalid:6379: its name is unknown"):
        connected("no-such-host.invalid:6379").__enter__()
    silent = port_of(None)
    with pytest.raises(UsageError, match=f"no Ray cluster answers at 127.0.0.1:{silent}: no answer within"):
        connected(f"127.0.0.1:{silent}").__enter__()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127.0.0.1:1"):
        connected("").__enter__()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_something_else_answers(port_of: Callable[[bytes | None], int], answer: bytes) -> None:
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    port = port_of(answer)
    with pytest.raises(UsageError, match=f"what answers at 127.0.0.1:{port} is not a Ray cluster"):
        connected(f"127.0.0.1:{port}").__enter__()


def test_a_real_server_of_http() -> None:
    """Python's own server, which does not know HTTP/2."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    server = HTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(UsageError, match="is not a Ray cluster"):
            connected(f"127.0.0.1:{server.server_port}").__enter__()
    finally:
        server.shutdown()
        server.server_close()


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass
