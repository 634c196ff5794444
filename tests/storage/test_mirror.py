"""Copies of results folders at URLs: only what is new is fetched, and no name leads out of the copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from vlmbench.errors import StoreError
from vlmbench.storage.base import Url
from vlmbench.storage.mirror import bring, bring_folder, is_copy, may_exist, readable, remove_copies
from vlmbench.storage.remote import RemoteFolder
from vlmbench.storage.shown import COPIES, with_urls


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Url]:
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    yield Url(f"memory://{tmp_path.name}/runs")
    memory = fsspec.filesystem("memory")
    for name in memory.find(f"/{tmp_path.name}"):
        memory.rm_file(name)


@pytest.fixture
def remote(url: Url) -> RemoteFolder:
    folder = RemoteFolder(url)
    for name in ("m/t/1.json", "m/t/1.parquet", "m/t/1.visuals/a.png", "m/t/2.failed.json", "n/t/3.json", "n/t/3.csv"):
        folder.write(name, name.encode())
    return folder


def _files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    read = RemoteFolder.read

    def counted(self: RemoteFolder, name: str) -> bytes:
        names.append(name)
        return read(self, name)

    monkeypatch.setattr(RemoteFolder, "read", counted)
    return names


def test_a_path_stays_a_path() -> None:
    assert readable("some/runs") == Path("some/runs")


def test_records_are_fetched_once_and_again_if_they_change(url: Url, remote: RemoteFolder, fetched: list[str]) -> None:
    root = readable(url.text)
    assert sorted(_files(root)) == ["m/t/1.json", "m/t/2.failed.json", "n/t/3.csv", "n/t/3.json"]
    fetched.clear()
    assert readable(f"{url.text}/") == root
    assert fetched == []
    remote.write("m/t/1.json", b"M/T/1.JSON")
    remote.write("n/t/4.json", b"new")
    remote.remove("m/t/2.failed.json")
    assert _files(readable(url.text)) == {
        "m/t/1.json": b"M/T/1.JSON",
        "n/t/3.csv": b"n/t/3.csv",
        "n/t/3.json": b"n/t/3.json",
        "n/t/4.json": b"new",
    }
    assert sorted(fetched) == ["m/t/1.json", "n/t/4.json"]
    for name in ("n/t/3.json", "n/t/3.csv", "n/t/4.json"):
        remote.remove(name)
    assert not (readable(url.text) / "n").exists(), "a folder without files would be a pair"


def test_large_files_are_fetched_when_they_are_asked_for(url: Url, remote: RemoteFolder, fetched: list[str]) -> None:
    root = readable(url.text)
    table = root / "m/t/1.parquet"
    assert may_exist(table) and not table.exists() and not may_exist(root / "m/t/9.parquet")
    fetched.clear()
    bring([table, table.with_name("9.parquet"), Path("elsewhere.parquet")])
    bring_folder(root / "m/t/1.visuals")
    bring([table])
    assert sorted(fetched) == ["m/t/1.parquet", "m/t/1.visuals/a.png"]
    assert table.read_bytes() == b"m/t/1.parquet"
    fetched.clear()
    readable(url.text)
    assert fetched == [] and table.exists(), "it stays while it is the newest"
    remote.write("m/t/1.parquet", b"another table")
    readable(url.text)
    assert not table.exists()
    bring([table])
    assert table.read_bytes() == b"another table"


def test_a_file_is_read_in_the_copy_of_its_folder(url: Url, remote: RemoteFolder) -> None:
    found = readable(f"{url.text}/m/t/1.json")
    assert found.read_bytes() == b"m/t/1.json"
    assert with_urls(f"{found}: broken") == f"{url}/m/t/1.json: broken"
    assert is_copy(found) and not is_copy(Path("1.json"))


def test_nothing_at_a_url_is_a_path_that_does_not_exist(url: Url, remote: RemoteFolder) -> None:
    root = readable(url.text)
    for entry in list(remote.entries()):
        remote.remove(entry.name)
    assert not readable(url.text).exists()
    assert with_urls(str(root)) == url.text


@pytest.mark.parametrize(
    "name",
    ["../../outside.json", "m/../../../outside.json", "/etc/outside.json", "m//t/1.json", ".hidden/t/1.json",
     "m/t/.1.json", "a/b/c/d/e.json", "m/t/1.json/inside.json", f"m/{'x' * 300}/1.json", "m/t/a\0b.json"],
)  # fmt: skip
def test_hostile_names_stay_outside(
    tmp_path: Path, url: Url, remote: RemoteFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from vlmbench.storage.base import Entry

    entries = [*remote.entries(), Entry(name, 4, "v")]
    monkeypatch.setattr(RemoteFolder, "entries", lambda self, below="": iter(entries))
    monkeypatch.setattr(RemoteFolder, "read", lambda self, name: b"evil")
    root = readable(url.text)
    expected = ["m/t/1.json", "m/t/2.failed.json", "n/t/3.csv", "n/t/3.json"]
    if name == "m/t/1.json/inside.json":  # a file and a folder of one name cannot both be on disk
        expected[0] = name
    assert sorted(_files(root)) == expected
    bring([root / name] if "\0" not in name else [])
    assert {path.name for path in tmp_path.rglob("outside*")} == set()


def test_a_killed_fetch_is_continued(url: Url, remote: RemoteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    read = RemoteFolder.read

    def stopped(self: RemoteFolder, name: str) -> bytes:
        if name == "n/t/3.json":
            raise KeyboardInterrupt
        return read(self, name)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RemoteFolder, "read", stopped)
        readable(url.text)
    root = readable(url.text)
    assert (root / "n/t/3.json").read_bytes() == b"n/t/3.json"
    versions = next(root.parent.glob("versions.jsonl"))
    versions.write_bytes(versions.read_bytes()[:-9] + b"\xff")  # a torn line
    assert len(_files(readable(url.text))) == 4


def test_a_damaged_file_of_the_copy_is_fetched_again(url: Url, remote: RemoteFolder) -> None:
    root = readable(url.text)
    (root / "m/t/1.json").write_bytes(b"short")
    (root / "m/t/stray.json").write_bytes(b"of nothing")
    assert _files(readable(url.text))["m/t/1.json"] == b"m/t/1.json"
    assert not (root / "m/t/stray.json").exists()


def test_a_cache_that_cannot_be_written_is_said(
    tmp_path: Path, url: Url, remote: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"the copy of 'memory://.*/runs' cannot be kept in") as caught:
        readable(url.text)
    assert caught.value.hint and "VLMBENCH_CACHE" in caught.value.hint


def test_the_cache_is_cleared_with_its_copies(url: Url, remote: RemoteFolder) -> None:
    root = readable(url.text)
    held = sum(map(len, _files(root).values()))
    assert held and remove_copies() >= held
    assert not root.exists()
    assert len(_files(readable(url.text))) == 4
    COPIES.pop(str(root))
