"""Fixtures that every room's tests share."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from repository import REPOSITORY, TEST_DATA

# Read when torch is imported, by the processes that tests start too. Tests run in several processes at once, whose
# threads would otherwise wait for one another while they hold the cores: the same test took up to three times the
# processor time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST = (
    "docs/test_pages.py",
    "docs/test_gate_guide.py",
    "transfer/test_imaged.py",
    "visuals/test_charts.py",
    "test_training_loop.py",
    "remarks/test_triggers.py",
    "reports/site/test_browser.py",
    "run/test_pair.py",
)
"""The longest files go first: each is one worker's, and at the end the other would wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of :data:`LONGEST` in front, all others in their order."""
    place = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


# Importing torch and six thousand tests makes a million objects and no garbage. Searching them for it takes seconds.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on garbage is collected, among the objects that tests make."""
    gc.freeze()
    gc.enable()


settings.register_profile("vlmbench", deadline=None)  # how fast an example is depends on the machine and its load
settings.load_profile("vlmbench")


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Files are written, but no test waits until the disk has them: none of them survives a loss of power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders, each made in no time: pytest's own ``mktemp`` reads the names of all folders made before."""
    root = tmp_path_factory.mktemp("caches")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a feature cache of its own, and none reaches a hub."""
    folder = next(caches)
    folder.mkdir()
    monkeypatch.setenv("VLMBENCH_CACHE", str(folder))
    monkeypatch.delenv("VLMBENCH_CARDS", raising=False)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of small real datasets; tests that need it are skipped where it is absent."""
    if not TEST_DATA.is_dir():
        pytest.skip(f"no real test data at {TEST_DATA} (set VLMBENCH_TEST_DATA)")
    return TEST_DATA


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make an image folder of noise: ``make_folder({"cat": 3, "dog": 2})``."""

    def make(classes: dict[str, int], name: str = "images", seed: int = 0) -> Path:
        from vlmbench.testing.toy_data import write_image_folder

        return write_image_folder(tmp_path / name, classes, seed=seed)

    return make
