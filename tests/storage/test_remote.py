"""Folders at URLs: the same files as on disk, whatever the network does, and never half a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest
from object_storage import BUCKET, SECRET, Fault, ObjectStorage, object_storage

from vlmbench.errors import StoreError
from vlmbench.storage.base import Entry, Folder, Url
from vlmbench.storage.disk import DiskFolder
from vlmbench.storage.remote import RemoteFolder, upload


@pytest.fixture(scope="module")
def started() -> Iterator[ObjectStorage]:
    with object_storage() as storage:
        yield storage


@pytest.fixture
def storage(started: ObjectStorage) -> Iterator[ObjectStorage]:
    started.asked.clear()
    yield started
    started.faults.clear()
    for key in started.names():
        started.client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def opened(started: ObjectStorage) -> Iterator[RemoteFolder]:
    """One connection for all tests, because s3fs takes half a second to make one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vlmbench.storage.remote.READ_SECONDS", 1.5)
        folder = RemoteFolder(Url(f"s3://{BUCKET}/runs"))
        list(folder.entries())
    yield folder


@pytest.fixture
def folder(storage: ObjectStorage, opened: RemoteFolder) -> RemoteFolder:
    return opened


@pytest.fixture(params=["disk", "memory", "s3"])
def any_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "disk":
        return DiskFolder(tmp_path / "runs")
    if request.param == "memory":
        return RemoteFolder(Url(f"memory://{tmp_path.name}/runs"))
    found: RemoteFolder = request.getfixturevalue("folder")
    return found


def test_every_folder_keeps_its_promises(any_folder: Folder) -> None:
    assert list(any_folder.entries()) == []
    assert list(any_folder.entries("m/none")) == []
    with pytest.raises(FileNotFoundError):
        any_folder.read("m/t/a.json")
    for name in ("m/t/b.json", "m/t/a.json", "n/t/a.json", "a", "m.x/t/a.json"):
        any_folder.write(name, name.encode() * 3)
    any_folder.write("a", b"again")
    assert any_folder.read("a") == b"again"
    names = ["a", "m.x/t/a.json", "m/t/a.json", "m/t/b.json", "n/t/a.json"]
    assert [(entry.name, entry.size) for entry in any_folder.entries()] == [
        (name, 5 if name == "a" else 3 * len(name)) for name in names
    ]
    assert [entry.name for entry in any_folder.entries("m")] == ["m/t/a.json", "m/t/b.json"]
    any_folder.remove("a")
    any_folder.remove("a")
    any_folder.remove("none/at/all")
    assert [entry.name for entry in any_folder.entries()] == names[1:]


def test_a_version_changes_with_the_content(any_folder: Folder) -> None:
    any_folder.write("a", b"1")
    (first,) = any_folder.entries()
    assert list(any_folder.entries()) == [first]
    any_folder.write("a", b"2")
    (second,) = any_folder.entries()
    assert second == Entry("a", 1, second.version) and second.version != first.version


def test_of_several_callers_one_makes_the_file(any_folder: Folder) -> None:
    made: list[tuple[bool, bytes]] = []
    start = threading.Barrier(6)

    def make(number: int) -> None:
        content = f"writer {number}".encode()
        start.wait()
        made.append((any_folder.create("lease/a", content), content))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won for won, _ in made) == [False] * 5 + [True]
    assert any_folder.read("lease/a") == next(content for won, content in made if won)
    assert [entry.name for entry in any_folder.entries()] == ["lease/a"], "no probe or temporary file stays"


def test_a_record_is_one_request(storage: ObjectStorage, folder: RemoteFolder) -> None:
    folder.write("m/t/a.json", b"{}" * 4000)
    assert [asked.split("?")[0] for asked in storage.asked if asked.startswith("P")] == [
        f"PUT /{BUCKET}/runs/m/t/a.json"
    ]
    assert storage.client.head_object(Bucket=BUCKET, Key="runs/m/t/a.json")["ContentType"] == "application/json"
    (entry,) = folder.entries()
    assert entry.version == md5(b"{}" * 4000, usedforsecurity=False).hexdigest(), "the ETag"


@pytest.mark.parametrize("kind", ["dropped", "answer lost", "upload cut", 429, 500, 502, 503])
def test_a_write_is_tried_again_after_passing_problems(
    storage: ObjectStorage, folder: RemoteFolder, kind: object
) -> None:
    storage.faults.append(Fault("PUT", "runs/a", kind, times=2))  # type: ignore[arg-type]
    content = b"0123456789" * 20_000
    folder.write("a", content)
    assert not storage.faults[0].times
    assert storage.content("runs/a") == content


@pytest.mark.parametrize("kind", ["dropped", "cut", "slow", 503])
def test_a_read_is_tried_again_and_never_returns_a_part(
    storage: ObjectStorage, folder: RemoteFolder, kind: object
) -> None:
    content = b"0123456789" * 20_000
    storage.put("runs/a", content)
    storage.faults.append(Fault("GET", "runs/a", kind))  # type: ignore[arg-type]
    assert folder.read("a") == content
    assert not storage.faults[0].times
    assert {asked.split()[0] for asked in storage.asked} == {"GET"}, "its size is not asked for first"


@pytest.mark.parametrize("kind", ["dropped", 503])
def test_a_list_is_tried_again(storage: ObjectStorage, folder: RemoteFolder, kind: object) -> None:
    for name in "abc":
        storage.put(f"runs/{name}/x", b"1")
    storage.faults.append(Fault("GET", "list-type=2", kind, times=2))  # type: ignore[arg-type]
    assert [entry.name for entry in folder.entries()] == ["a/x", "b/x", "c/x"]


def test_who_made_a_file_knows_it_although_the_answer_was_lost(storage: ObjectStorage, folder: RemoteFolder) -> None:
    assert folder.create("first", b"me")
    for number in range(3):  # aiohttp repeats some of them itself
        storage.faults.append(Fault("PUT", f"runs/lease-{number}", "answer lost"))
        assert folder.create(f"lease-{number}", b"me")
        assert not storage.faults[-1].times
        storage.faults.append(Fault("PUT", f"runs/lease-{number}", "dropped"))
        assert not folder.create(f"lease-{number}", b"another")
        assert folder.read(f"lease-{number}") == b"me"


def test_a_storage_that_ignores_the_condition_is_refused(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    write = s3fs.S3FileSystem._pipe_file

    async def careless(self: object, path: str, data: bytes, mode: str = "overwrite", **rest: object) -> object:
        return await write(self, path, data, **rest)

    monkeypatch.setattr(s3fs.S3FileSystem, "_pipe_file", careless)
    monkeypatch.setattr("vlmbench.storage.remote._SHARED", {})  # a file system takes its methods when it is made
    folder = RemoteFolder(Url(f"s3://{BUCKET}/runs"))
    assert folder.can_create
    with pytest.raises(StoreError, match="cannot refuse the second of two writers"):
        folder.create("lease", b"me")
    assert not folder.can_create
    assert storage.names() == []


def test_storage_without_a_conditional_create_is_refused_without_a_request() -> None:
    folder = RemoteFolder(Url("hf://datasets/me/results"))
    assert not folder.can_create
    with pytest.raises(StoreError, match="'hf://datasets/me/results' only if it does not exist"):
        folder.create("lease", b"me")


def test_storage_that_shows_files_before_they_are_complete_is_not_written() -> None:
    with pytest.raises(StoreError, match="ftp:// shows files before they are complete"):
        RemoteFolder(Url("ftp://host/runs")).write("a", b"")


@pytest.mark.parametrize(
    ("method", "doing"), [("GET", "read"), ("PUT", "write to"), ("DELETE", "remove a file from"), ("LIST", "list")]
)
def test_a_refusal_is_said_at_once(storage: ObjectStorage, folder: RemoteFolder, method: str, doing: str) -> None:
    part = "list-type=2" if method == "LIST" else "runs/a"
    storage.faults.append(Fault("GET" if method == "LIST" else method, part, 403, times=9))
    with pytest.raises(StoreError) as caught:
        _do(folder, doing)
    assert caught.value.message == f"cannot {doing} 's3://{BUCKET}/runs': the storage does not allow it (403)"
    assert caught.value.hint and "AWS_ACCESS_KEY_ID" in caught.value.hint
    assert storage.faults[0].times == 8, "not asked again"
    assert SECRET not in str(caught.value)


def test_a_bucket_that_does_not_exist_is_named(storage: ObjectStorage) -> None:
    folder = RemoteFolder(Url("s3://nowhere/x"))
    for doing in ("read", "write to", "list"):
        with pytest.raises(StoreError, match=f"cannot {doing} 's3://nowhere/x': there is no such bucket 'nowhere'"):
            _do(folder, doing)


def test_what_does_not_pass_is_given_up(storage: ObjectStorage, folder: RemoteFolder) -> None:
    storage.faults.append(Fault("PUT", "runs/a", 503, times=99))
    with pytest.raises(StoreError, match=r"the server answered 503, also when it was asked again"):
        folder.write("a", b"1")
    assert storage.faults[0].times == 99 - 4, "one request and three more: no other layer asks again"
    assert storage.names() == []


def test_without_credentials_the_usual_places_are_named(
    storage: ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="no credentials were found") as caught:
        RemoteFolder(Url(f"s3://{BUCKET}/runs")).write("a", b"1")
    assert caught.value.hint and "~/.aws" in caught.value.hint


def test_a_large_file_is_not_there_until_all_its_parts_are(
    storage: ObjectStorage, folder: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * (11 * 2**20)
    monkeypatch.setattr("vlmbench.storage.remote.RemoteFolder._typed", lambda self, name: {"chunksize": 5 * 2**20})
    storage.faults.append(Fault("PUT", "partNumber=2", 403))
    with pytest.raises(StoreError):
        folder.write("big.parquet", content)
    assert storage.names() == []
    folder.write("big.parquet", content)
    assert storage.content("runs/big.parquet") == content


def test_a_site_is_put_with_its_first_page_last(storage: ObjectStorage, tmp_path: Path) -> None:
    for name in ("index.html", "assets/site.css", "tasks/t.html"):
        DiskFolder(tmp_path).write(name, name.encode())
    upload(tmp_path, Url(f"s3://{BUCKET}/site"), last="index.html")
    assert storage.names() == ["site/assets/site.css", "site/index.html", "site/tasks/t.html"]
    assert [asked for asked in storage.asked if asked.startswith("PUT")][-1].endswith("site/index.html")
    assert storage.client.head_object(Bucket=BUCKET, Key="site/index.html")["ContentType"] == "text/html"


def _do(folder: RemoteFolder, doing: str) -> None:
    match doing:
        case "read":
            folder.read("a")
        case "write to":
            folder.write("a", b"1")
        case "list":
            list(folder.entries())
        case _:
            folder.remove("a")
