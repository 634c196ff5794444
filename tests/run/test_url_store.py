"""A results folder at a URL: the bytes of a local one, records last, and never half of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from object_storage import BUCKET, SECRET, Fault, ObjectStorage, object_storage

from vlmbench.errors import StoreError
from vlmbench.records import Failure, Record
from vlmbench.run.stores import open_store
from vlmbench.run.url_store import UrlStore
from vlmbench.storage.base import Url
from vlmbench.storage.mirror import readable
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import ROWS, make_failure, make_record


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[ObjectStorage, UrlStore]]:
    with object_storage() as storage:
        store = open_store(Url(f"s3://{BUCKET}/runs"))
        assert isinstance(store, UrlStore)
        yield storage, store


@pytest.fixture
def storage(started: tuple[ObjectStorage, UrlStore]) -> Iterator[ObjectStorage]:
    storage, _ = started
    storage.asked.clear()
    yield storage
    storage.faults.clear()
    for name in storage.names():
        storage.client.delete_object(Bucket=BUCKET, Key=name)


@pytest.fixture
def store(storage: ObjectStorage, started: tuple[ObjectStorage, UrlStore]) -> UrlStore:
    return started[1]


def _fill(store: Any) -> list[Any]:
    records = [make_record("org/model", "t"), make_record("org/model", "t", id="b" * 16), make_record("n", "u")]
    places = [store.write(record, ROWS) for record in records]
    store.write_visuals(records[0], {"old": b"gone", "stays.png": b"1"})
    store.write_visuals(records[0], {"sample 1.png": b"png", "stays.png": b"2"})
    places.append(store.write_failure(make_failure("n", "v"), "p" * 16))
    store.write_failure(make_failure("n", "u"), "q" * 16)
    store.clear_failure("n", "u", "q" * 16)
    store.clear_failure("n", "u", "never")
    return places


def test_the_same_files_as_on_disk(tmp_path: Path, storage: ObjectStorage, store: UrlStore) -> None:
    store.check_writable()
    places = _fill(store)
    local = ResultStore(tmp_path / "runs")
    paths = _fill(local)
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: storage.content(name) for name in storage.names()} == files
    assert [str(place) for place in places] == [
        f"s3://{BUCKET}/{path.relative_to(tmp_path).as_posix()}" for path in paths
    ]
    record = make_record("org/model", "t")
    assert store.find("org/model", "t", record.id) == local.find("org/model", "t", record.id) == record
    assert store.pair_records("org/model", "t") == local.pair_records("org/model", "t")
    assert store.pair_records("none", "t") == []
    assert store.has_visuals(record) and not store.has_visuals(make_record("n", "u"))
    for text in (*files.values(), "".join(storage.asked).encode()):
        assert SECRET.encode() not in text


def test_a_reader_finds_what_a_local_reader_finds(
    tmp_path: Path, store: UrlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    _fill(store)
    _fill(ResultStore(tmp_path / "runs"))
    found, expected = list(ResultStore(readable(f"s3://{BUCKET}/runs"))), list(ResultStore(tmp_path / "runs"))
    assert found == expected and len(found) == 4
    assert {type(entry) for entry in found} == {Record, Failure}


def test_the_record_comes_after_its_answers(storage: ObjectStorage, store: UrlStore) -> None:
    record = make_record()
    store.write(record, ROWS)
    assert [asked.split("?")[0] for asked in storage.asked] == [
        f"PUT /{BUCKET}/runs/m/t/{record.id}.parquet",
        f"PUT /{BUCKET}/runs/m/t/{record.id}.json",
    ]


@pytest.mark.parametrize("part", [".parquet", ".json"])
@pytest.mark.parametrize("kind", ["dropped", "upload cut", 403, 503])
def test_a_failed_write_is_no_record(storage: ObjectStorage, store: UrlStore, part: str, kind: Any) -> None:
    storage.faults.append(Fault("PUT", part, kind, times=99))
    with pytest.raises(StoreError, match=f"cannot write to 's3://{BUCKET}/runs'"):
        store.write(make_record(), ROWS)
    assert not [name for name in storage.names() if name.endswith(".json")]
    assert store.find("m", "t", make_record().id) is None
    storage.faults.clear()
    store.write(make_record(), ROWS)
    assert store.find("m", "t", make_record().id) == make_record()


def test_a_half_written_object_is_never_a_record(storage: ObjectStorage, store: UrlStore) -> None:
    record = make_record()
    store.write(record, ROWS)
    name = f"runs/m/t/{record.id}"
    whole = storage.content(f"{name}.json")
    storage.put(f"{name}.json", whole[: len(whole) // 2])  # by a program that is not vlmbench
    assert store.find("m", "t", record.id) is None and store.pair_records("m", "t") == []
    storage.put(f"{name}.json", whole)
    storage.put(f"{name}.parquet", ROWS[:2])
    assert store.find("m", "t", record.id) is None, "its answers are another run's"
    storage.client.delete_object(Bucket=BUCKET, Key=f"{name}.parquet")
    assert store.find("m", "t", record.id) is None
    storage.put("runs/m/t/copied.json", whole)
    assert store.pair_records("m", "t") == [record], "a copied record is in the place of another"


def test_many_pairs_are_read_ahead_and_each_then_costs_a_list_and_two_heads(
    tmp_path: Path, storage: ObjectStorage, store: UrlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("vlmbench.run.url_store.FEW_PAIRS", 2)
    records = {task: make_record("m", task) for task in "abcd"}
    for record in records.values():
        store.write(record, ROWS)
    store.write_failure(make_failure("m", "a"), "p" * 16)
    resumed = UrlStore(store.root)
    resumed.read_ahead({("m", task) for task in "abc"})
    storage.put(f"runs/m/b/{records['b'].id}.parquet", ROWS[:2])
    other = make_record("m", "c", value=0.1)
    store.write(other, ROWS)
    storage.asked.clear()
    assert resumed.pair_records("m", "a") == [records["a"]]
    assert resumed.find("m", "a", records["a"].id) == records["a"]
    assert sorted(asked.partition(" ")[0] for asked in storage.asked) == ["GET", "HEAD", "HEAD"]
    resumed.clear_failure("m", "a", "p" * 16)
    assert not [name for name in storage.names() if "failed" in name]
    assert resumed.find("m", "b", records["b"].id) is None, "its answers are another run's"
    assert resumed.find("m", "c", other.id) == other, "written after the copy was made"
    assert resumed.pair_records("m", "d") == [records["d"]], "not read ahead"
    monkeypatch.setenv("VLMBENCH_CACHE", "/dev/null")
    without = UrlStore(store.root)
    without.read_ahead({("m", task) for task in "abc"})
    assert without.find("m", "a", records["a"].id) == records["a"]


def test_two_writers_leave_one_whole_record(storage: ObjectStorage, store: UrlStore) -> None:
    other = UrlStore(Url(f"s3://{BUCKET}/runs"))
    first, second = make_record(value=0.5), make_record(value=0.6)
    for number in range(3):
        (store if number % 2 else other).write(second, ROWS)
        (other if number % 2 else store).write(first, ROWS)
        assert store.find("m", "t", first.id) == first
        assert len(storage.names("runs/m/t/")) == 2


def test_several_records_are_written_at_once(storage: ObjectStorage, store: UrlStore) -> None:
    records = [make_record("m", f"t{number}") for number in range(20)]
    assert store.write_all([*records, records[0]]) == records
    assert len(storage.names()) == 20


def test_what_cannot_be_written_is_said_before_any_work(storage: ObjectStorage, store: UrlStore) -> None:
    storage.faults.append(Fault("PUT", ".probe", 403))
    with pytest.raises(StoreError, match="the storage does not allow it"):
        store.check_writable()
    store.check_writable()
    assert storage.names() == []
