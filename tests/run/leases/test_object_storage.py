"""Leases in object storage: two runs, each with its own connection, and requests that fail."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from object_storage import BUCKET, Fault, ObjectStorage, object_storage

from vlmbench.run.leases.leases import TTL_S, Leases
from vlmbench.storage.base import Url
from vlmbench.storage.remote import RemoteFolder

URL = Url(f"s3://{BUCKET}/runs")


@pytest.fixture(scope="module")
def storage() -> Iterator[ObjectStorage]:
    with object_storage() as storage:
        yield storage


class Run:
    """A run with its own connection; its clock stands still until it is moved."""

    def __init__(self, **settings: Any) -> None:
        self.notes: list[str] = []
        self.now = 0.0
        clocks = {"clock": lambda: self.now, "own_clock": lambda: self.now}
        self.leases = Leases(RemoteFolder(URL), self.notes.append, **clocks, **settings)


def test_a_pair_is_taken_once_and_taken_over_when_its_run_is_silent(storage: ObjectStorage) -> None:
    one, other = Run(), Run(look_s=0)
    assert one.leases.take("free") is None
    storage.asked.clear()
    assert one.leases.take("pair") is None
    assert [line.partition("?")[0] for line in storage.asked] == [
        f"PUT /{BUCKET}/runs/.leases/pair.1.json",
        f"GET /{BUCKET}",
    ]
    assert other.leases.take("pair") is not None
    one.leases.release("free")
    assert other.leases.take("free") is None
    other.now += TTL_S + 1
    assert other.leases.take("pair") is None and "gave no sign of life" in other.notes[0]
    one.now += TTL_S + 1
    assert not one.leases.keeps("pair")
    one.leases.release("pair")  # the other run's lease stays
    assert "runs/.leases/pair.2.json" in storage.names()
    other.leases.close()
    one.leases.close()
    assert storage.names() == []


def test_of_many_runs_one_gets_a_pair(storage: ObjectStorage) -> None:
    runs, taken = [Run() for _ in range(4)], list[str]()

    def take(run: Run) -> None:
        taken.extend(key for key in "abc" if run.leases.take(key) is None)

    threads = [threading.Thread(target=take, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        run.leases.close()
    assert Counter(taken) == {"a": 1, "b": 1, "c": 1} and storage.names() == []


@pytest.mark.parametrize("kind", ["dropped", "answer lost", "cut", "upload cut", 503])
def test_a_request_that_fails_makes_no_second_holder(storage: ObjectStorage, kind: Any) -> None:
    one, other = Run(), Run()
    storage.faults.append(Fault("PUT", "/pair", kind))
    assert one.leases.take("pair") is None and other.leases.take("pair") is not None
    assert one.notes == other.notes == []
    for run in (one, other):
        run.leases.close()
    assert storage.names() == []


def test_without_permission_the_pair_is_done_and_the_user_is_told(storage: ObjectStorage) -> None:
    run = Run()
    storage.faults.append(Fault("PUT", "/pair", 403))
    assert run.leases.take("pair") is None and "does not allow it (403)" in run.notes[0]
    run.leases.close()
