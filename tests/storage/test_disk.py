"""Folders on disk: exclusive files appear whole, and names stay inside. What all folders do is in test_remote.py."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vlmbench.errors import StoreError
from vlmbench.storage.disk import DiskFolder


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//b", "", "a/.", "a\0b"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = DiskFolder(tmp_path / "in")
    for use in (lambda: folder.write(name, b"x"), lambda: folder.read(name), lambda: folder.create(name, b"x")):
        with pytest.raises(StoreError, match="is not the name of a file below"):
            use()
    assert list(tmp_path.rglob("*")) == []


def test_without_hard_links_still_one_caller_makes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*paths: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    folder = DiskFolder(tmp_path)
    assert folder.create("a", b"1") and not folder.create("a", b"2")
    assert folder.read("a") == b"1"
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_that_a_file_server_made_twice_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def repeated(old: Path, new: Path) -> None:
        link(old, new)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", repeated)
    assert DiskFolder(tmp_path).create("a", b"1")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[:1])
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "write_bytes", full)
    folder = DiskFolder(tmp_path)
    for use in (folder.write, folder.create):
        with pytest.raises(StoreError, match="cannot write to"):
            use("a", b"12")
    assert os.listdir(tmp_path) == []


def test_temporary_files_of_writers_are_no_entries_and_links_are_followed_once(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path / "runs")
    folder.write("m/a", b"1")
    (tmp_path / "runs" / "m" / ".b.0.host.1.tmp").write_bytes(b"half")
    (tmp_path / "runs" / "m" / "round").symlink_to(tmp_path / "runs")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "c").write_bytes(b"22")
    (tmp_path / "runs" / "n").symlink_to(tmp_path / "other")
    assert [(entry.name, entry.size) for entry in folder.entries()] == [("m/a", 1), ("n/c", 2)]


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StoreError, match="it is a folder, not a regular file"):
        DiskFolder(tmp_path).read("a")
