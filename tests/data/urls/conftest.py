"""Object storage and a cache of its own for every test of datasets at URLs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from object_storage import BUCKET, ObjectStorage, object_storage


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStorage]:
    with object_storage() as storage:
        yield storage


@pytest.fixture
def storage(server: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStorage:
    """An empty bucket, and an empty cache."""
    for key in list(server.names()):
        server.client.delete_object(Bucket=BUCKET, Key=key)
    server.faults.clear()
    server.asked.clear()
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    return server
