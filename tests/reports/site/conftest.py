"""Sites of a few records, and a browser to open them in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reports.site.browser import Page
from reports.site.records_of_many import make_answer

from vlmbench.reports.published import Published
from vlmbench.reports.site import build_site
from vlmbench.store import ResultStore

HERE = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")
"""Addresses that lead nowhere else."""


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    """An empty results folder."""
    (tmp_path / "results").mkdir()
    return ResultStore(tmp_path / "results")


@pytest.fixture
def put(store: ResultStore) -> Callable[..., str]:
    """Write a record with predictions that fit: ``put("model", "task", 0.5)``; returns its id."""

    def write(model: str, task: str, value: float, /, **changes: Any) -> str:
        record, predictions = make_answer(model, task, value, **changes)
        store.write(record, predictions)
        return record.id

    return write


@pytest.fixture
def build(store: ResultStore, tmp_path: Path) -> Callable[..., Path]:
    """Write the site of the store; returns its folder."""

    def written(published: list[Published] | None = None) -> Path:
        build_site(store.root, tmp_path / "site", published=published or [])
        return tmp_path / "site"

    return written


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One headless chromium a session."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (the extra `test`)")
    browser, control = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or control is None:
        pytest.skip("no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
        *("disable-background-networking", "disable-component-update", "window-size=1280,900"),
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(control))
    running.set_script_timeout(60)
    yield running
    running.quit()


@pytest.fixture
def page(driver: Any) -> Iterator[Page]:
    """The browser at desktop size; whatever a test does, no page may complain or ask for anything elsewhere."""
    opened = Page(driver)
    opened.resize(1280, 900)
    opened.complaints()
    opened.requests()
    yield opened
    assert opened.complaints() == []
    assert [url for url in opened.requests() if not url.startswith(HERE)] == []
