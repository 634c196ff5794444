"""Blocks give the bytes of the files, with few requests if the reads follow each other."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from vlmbench.data.urls import blocks
from vlmbench.data.urls.blocks import BlockFile, Blocks
from vlmbench.storage.base import Entry

DATA = random.Random(0).randbytes(50_000)
ENTRY = Entry("a.tar", len(DATA), "1")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(blocks, "_BACK_BYTES", 4000)
    monkeypatch.setattr(blocks, "_NEAR_BYTES", 500)
    yield


class Storage:
    """Counts its requests, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.requests: list[tuple[int, int]] = []
        self.failures = failures
        self._lock = Lock()

    def read(self, entry: Entry, start: int, stop: int) -> bytes:
        with self._lock:
            self.requests.append((start, stop))
            self.failures -= 1
            if self.failures >= 0:
                raise ConnectionError("made to fail")
        assert 0 <= start < stop <= entry.size
        return DATA[start:stop]


def test_reads_that_follow_each_other_share_requests() -> None:
    storage = Storage()
    read = Blocks(storage.read).read
    places = [(start, 130) for start in range(0, len(DATA) - 130, 150)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: read(ENTRY, *place), places))
    assert found == [DATA[start : start + size] for start, size in places]
    assert len(storage.requests) < len(places) // 3  # how threads take turns decides how many reads stand alone


def test_reads_here_and_there_take_their_own_bytes_only() -> None:
    storage = Storage()
    read = Blocks(storage.read).read
    places = random.Random(1).sample(range(6_000, 49_000, 1_600), 20)
    assert [read(ENTRY, start, 100) for start in places] == [DATA[start : start + 100] for start in places]
    assert sum(stop - start for start, stop in storage.requests) < 20 * 100 + 6 * 1000


def test_parts_longer_than_a_block_and_of_no_bytes() -> None:
    read = Blocks(Storage().read).read
    assert read(ENTRY, 10, 3456) == DATA[10:3466]
    assert read(ENTRY, 3466, 0) == b""
    assert read(ENTRY, 49_900, 100) == DATA[49_900:]


def test_an_error_is_told_and_the_next_read_asks_again() -> None:
    storage = Storage(failures=1)
    read = Blocks(storage.read).read
    with pytest.raises(ConnectionError, match="made to fail"):
        read(ENTRY, 0, 100)
    assert read(ENTRY, 0, 100) == DATA[:100]


def test_an_error_ahead_reaches_the_read_that_needs_the_block() -> None:
    storage = Storage()
    files = Blocks(storage.read)
    files.read(ENTRY, 0, 100)
    storage.failures = 50
    with pytest.raises(ConnectionError):
        for start in range(100, 5000, 100):
            files.read(ENTRY, start, 100)


def test_only_the_datasets_that_were_read_last_keep_blocks() -> None:
    storages = [Storage() for _ in range(3)]
    first, second, third = (Blocks(storage.read) for storage in storages)
    for files in (first, second, first):
        assert files.read(ENTRY, 0, 100) == DATA[:100]
    assert storages[0].requests.count((0, 1000)) == 1
    third.read(ENTRY, 0, 100)
    second.read(ENTRY, 0, 100)  # it had to forget its block
    assert storages[1].requests.count((0, 1000)) == 2


def test_a_block_file_reads_as_a_file_does() -> None:
    file = BlockFile(Blocks(Storage().read, kept=3), ENTRY)
    assert file.read(1500) == DATA[:1500]
    assert file.seek(20_000) == 20_000
    assert file.read(10) == DATA[20_000:20_010]
    assert file.tell() == 20_010
    file.seek(-5, 2)
    assert file.read() == DATA[-5:]
    assert file.read(10) == b""
