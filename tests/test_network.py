"""Proxies that a library cannot use, told from other failures."""

from __future__ import annotations

import logging

import pytest

from vlmbench.models.hub_access import fetch_error, hub_access
from vlmbench.network import hub_name, no_connection, proxy_problem, without_password

SOCKS = ImportError("Using SOCKS proxy, but the 'socksio' package is not installed.")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("variable", ["ALL_PROXY", "https_proxy"])
def test_a_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "socks5://127.0.0.1:1080")
    wrapped = OSError("We couldn't connect")
    wrapped.__cause__ = SOCKS
    for error in (SOCKS, wrapped):
        problem = proxy_problem(error)
        assert problem and variable in problem[0] and "needs a package" in problem[0] and "socksio" in problem[1]
    said = fetch_error("the weights x", wrapped, offline=False)
    assert "SOCKS proxy" in said.message and said.hint and "pip install" in said.hint


def test_a_kind_of_proxy_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "foo://x")
    problem = proxy_problem(ValueError("Unknown scheme for proxy URL URL('foo://x')"))
    assert problem and "ALL_PROXY" in problem[0] and "http://HOST:PORT" in problem[1]


def test_other_failures_have_nothing_to_do_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_problem(SOCKS) is None  # no proxy is named
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert proxy_problem(ConnectionError("refused")) is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no https://me:p@ss@hub.example/a@b?c=d@e", "no https://hub.example/a@b?c=d@e"),
        ("HTTP://token@[::1]:80 and http://x/y", "HTTP://[::1]:80 and http://x/y"),
        ("mail me@x.org at https://x.org/me@x.org", "mail me@x.org at https://x.org/me@x.org"),
    ],
)
def test_a_message_names_the_host_and_never_the_password(said: str, shown: str) -> None:
    assert without_password(said) == shown


def test_the_hubs_password_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://me:secret@hub.example/")
    assert hub_name() == "https://hub.example"
    failed = fetch_error("x", OSError("401 for url: https://me:secret@hub.example/x"), offline=False)
    assert "secret" not in str(failed) and "hub.example" in str(failed)


def test_a_failed_connection_is_found_behind_the_errors_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    refused = ConnectionRefusedError("refused")
    wrapped = OSError("An error happened while trying to locate the file. " * 20)
    wrapped.__cause__ = refused
    assert no_connection(wrapped) is refused and no_connection(ValueError()) is None
    said = fetch_error("the weights x", wrapped, offline=False, repository="org/x")
    assert said.message == (
        "cannot fetch the weights x: the connection to https://hub.example failed (ConnectionRefusedError)"
    )
    cut = fetch_error("x", OSError("word " * 100), offline=False).message
    assert cut.endswith(" word…") and len(cut) < 330


def test_the_clients_tries_end_at_once_without_a_connection_and_log_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("huggingface_hub.utils._http")
    with hub_access(offline=False):
        with pytest.raises(ConnectionError, match="refused"):
            try:
                raise ConnectionError("refused")
            except ConnectionError as error:
                log.warning("'%s' thrown while requesting", error)
                pytest.fail("the client would wait now")
        log.warning("Retrying in 8s [Retry 5/5].")
    assert not caplog.records and not log.filters
