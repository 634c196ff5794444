"""Content hashes that are kept from run to run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.contents import ContentHashes
from vlmbench.data.open import open_dataset


def opened(folder: Path) -> ImageDataset:
    return open_dataset((SourceSpec(kind="imagefolder", location=str(folder)),), SourceContext())


def made(folder: Path) -> Path:
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1.png").write_bytes(name.encode())
    return folder


def test_a_later_run_reads_nothing_of_unchanged_files(tmp_path: Path) -> None:
    data = made(tmp_path / "data")
    first = ContentHashes(tmp_path / "index")
    dataset = opened(data)
    expected = [hashlib.sha256(name).hexdigest() for name in (b"a", b"b")]
    assert [first.get(dataset, index) for index in (0, 1)] == expected
    first.keep()
    stat = (data / "a" / "1.png").stat()
    (data / "a" / "1.png").write_bytes(b"x")  # the same size; with the same time nothing tells that it changed
    os.utime(data / "a" / "1.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ContentHashes(tmp_path / "index").get(opened(data), 0) == expected[0]
    assert ContentHashes().get(opened(data), 0) == hashlib.sha256(b"x").hexdigest()


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    data = made(tmp_path / "data")
    first = ContentHashes(tmp_path / "index")
    dataset = opened(data)
    first.get(dataset, 0)
    first.keep()
    (data / "a" / "1.png").write_bytes(b"longer")
    assert ContentHashes(tmp_path / "index").get(opened(data), 0) == hashlib.sha256(b"longer").hexdigest()


def test_files_that_change_while_they_are_read_are_not_kept(tmp_path: Path) -> None:
    data = made(tmp_path / "data")
    first = ContentHashes(tmp_path / "index")
    first.get(opened(data), 0)
    (data / "a" / "1.png").write_bytes(b"longer")
    first.keep()
    assert not (tmp_path / "index").exists()


def test_a_damaged_or_unwritable_index_does_no_harm(tmp_path: Path) -> None:
    data = made(tmp_path / "data")
    first = ContentHashes(tmp_path / "index")
    first.get(opened(data), 0)
    first.keep()
    (file,) = (tmp_path / "index").iterdir()
    file.write_bytes(b"cut")
    assert ContentHashes(tmp_path / "index").get(opened(data), 0) == hashlib.sha256(b"a").hexdigest()
    (tmp_path / "file").write_text("")
    other = ContentHashes(tmp_path / "file" / "index")
    other.get(opened(data), 0)
    other.keep()
