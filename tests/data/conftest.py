"""A hub and caches of its own for each test that needs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from data.hub_layouts import empty_caches
from data.hub_server import Hub, running_hub


@pytest.fixture
def hub_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches of the hub's client and of ``datasets``, and no settings of the user's own."""
    empty_caches(monkeypatch, tmp_path / "cache")


@pytest.fixture
def hub(hub_caches: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that HF_ENDPOINT names."""
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further attempts come at once, timeouts soon, and what arrives is written in small pieces."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http

    from vlmbench.data.hub import transfer as hub_transfer

    monkeypatch.setattr(hub_transfer, "RETRY_PAUSE_S", 0.0)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 512)
    for module in (file_download, _http):
        monkeypatch.setattr(module, "time", SimpleNamespace(**{**vars(time), "sleep": lambda _: None}))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
