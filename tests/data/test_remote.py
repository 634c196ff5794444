"""Files from elsewhere: what their hashes show, and what is removed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vlmbench.data.remote import RemoteFile, Verified, discard, mismatch, verify_files
from vlmbench.errors import DataError

CONTENT = b"hello\n"
GIT_SHA1 = "ce013625030ba8dba906f756967f9e9ca394464a"
"""Of ``git hash-object`` for the content."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    return file


@pytest.mark.parametrize(
    ("known", "wrong"),
    [
        ({}, None),
        ({"size": 6}, None),
        ({"size": 7}, "it has 6 bytes instead of 7"),
        ({"sha256": hashlib.sha256(CONTENT).hexdigest()}, None),
        ({"sha256": "0" * 64}, "its checksum is 5891b5b522d5… instead of 000000000000…"),
        ({"git_sha1": GIT_SHA1}, None),
        ({"git_sha1": "1" * 40}, "its checksum is ce013625030b… instead of 111111111111…"),
    ],
)
def test_a_file_is_compared_with_what_is_known_of_it(path: Path, known: dict[str, object], wrong: str | None) -> None:
    assert mismatch(path, RemoteFile("file", **known)) == wrong  # type: ignore[arg-type]


def test_files_are_good_damaged_or_unknown(path: Path) -> None:
    good, bad, unknown = RemoteFile("a", git_sha1=GIT_SHA1), RemoteFile("b", sha256="0" * 64), RemoteFile("c", 6)
    assert verify_files("x", [(good, path), (bad, path), (unknown, path)]) == Verified((bad,), 1, 1)
    assert verify_files("x", []) == Verified((), 0, 0)
    with pytest.raises(DataError, match="x: the hash of its cached file is not known"):
        verify_files("x", [(unknown, path)])


def test_a_link_goes_with_its_file(path: Path) -> None:
    link, other = path.with_name("link"), path.with_name("other")
    link.symlink_to("file")
    other.write_bytes(b"")
    discard(link)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["other"]
    discard(link)  # it is gone already
