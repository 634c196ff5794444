"""Tar shards: grouped as the webdataset library groups them, and never silently shorter than they were."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import webdataset
from data.layouts import write_tar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vlmbench.data.formats.folder_walk import PassedOver
from vlmbench.data.formats.tar_index import Member, read_member, scan
from vlmbench.errors import BadSampleError, DataError, VlmbenchError

CLS = frozenset(("cls",))


def read_all(path: Path) -> list[dict[str, object]]:
    return [
        {"__key__": sample.key, **{suffix: read_member(m, "x") for suffix, m in sample.members.items()}}
        for sample in scan(path, load=CLS, passed=PassedOver())
    ]


def peer(path: Path) -> list[dict[str, object]]:
    dropped = ("__url__", "__local_path__")
    samples = webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
    return [{key: value for key, value in sample.items() if key not in dropped} for sample in samples]


def test_labels_are_loaded_on_the_way_and_images_are_not(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.cls", b"3"), ("a.JPG", b"image"), ("b.jpg", b"x")])
    first, second = scan(path, load=CLS, passed=PassedOver())
    assert (first.key, first.small, sorted(first.members)) == ("a", {"cls": b"3"}, ["cls", "jpg"])
    assert first.members["jpg"].size == 5
    assert second.small == {}


names = st.from_regex(r"(\./|d/|d\.x/)?[ab](\.[xyZ]){0,2}", fullmatch=True)
"""No hidden ones, of which the library makes samples has no name."""


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(members=st.lists(st.tuples(names.filter(bool), st.binary(max_size=600)), min_size=1, max_size=8))
def test_grouping_is_the_webdataset_librarys(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    path = write_tar(tmp_path / "0.tar", [*members, ("__meta__", b"")])
    try:
        expected = peer(path)
    except Exception:  # two files of one suffix in a sample: a ValueError there, its text has the stream's address
        with pytest.raises(DataError, match="two files that end in"):
            read_all(path)
        return
    if expected:
        assert read_all(path) == expected
    else:
        with pytest.raises(DataError, match="no samples"):
            read_all(path)


def test_files_of_no_sample_are_counted(tmp_path: Path) -> None:
    members = [
        *((name, b"1") for name in ("./a.jpg", "./._a.jpg", "__MACOSX/._a.jpg", "@eaDir/a.jpg", "x/.hidden.cls")),
        *((name, b"1") for name in ("x/Thumbs.db", "README", "__meta__", "__cache__/b.jpg", "./a.cls")),
    ]
    path, passed = write_tar(tmp_path / "0.tar", members), PassedOver()
    with tarfile.open(path, "a") as tar:
        for name, kind in (
            ("link.jpg", tarfile.SYMTYPE),
            ("hard.jpg", tarfile.LNKTYPE),
            ("folder.jpg", tarfile.DIRTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a.jpg"
            tar.addfile(info)
    found = list(scan(path, load=CLS, passed=passed))
    assert [(sample.key, *sample.members) for sample in found] == [("./a", "jpg", "cls")]
    assert passed.reasons == {
        "hidden": 2,
        "in hidden or system folders": 2,
        "of the system's": 1,
        "of links or devices": 2,
    }
    assert passed.suffixes == {"": 1} and passed.count == 8


def test_long_names_and_other_members_are_like_the_peers(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("é" * 150 + ".cls", "folder", "b.cls"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name == "folder" else tarfile.REGTYPE
            info.size = 0 if name == "folder" else 1
            tar.addfile(info, io.BytesIO(b"7"))
    assert read_all(path) == peer(path)
    assert len(read_all(path)) == 2


@pytest.mark.parametrize("size", [512 * 5, 512 * 3, 512 * 3 + 100, 512 * 2, 512 * 4 + 200, 700, 300])
def test_a_shard_cut_short_anywhere_is_an_error(tmp_path: Path, size: int) -> None:
    # header, 2 blocks of content, header, 1 block, end: cuts fall inside and between members
    path = write_tar(tmp_path / "0.tar", [("a.png", b"x" * 700), ("b.png", b"y" * 500)])
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"0\.tar.*damaged or cut short"):
        list(scan(path, load=CLS, passed=PassedOver()))


def test_what_is_no_tar_is_said(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    path.write_bytes(b"<html>Not found</html>" * 100)
    with pytest.raises(DataError, match="not a tar file"):
        list(scan(path, load=CLS, passed=PassedOver()))
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not a tar file"):
        list(scan(path, load=CLS, passed=PassedOver()))
    path.write_bytes(gzip.compress(b"x"))
    with pytest.raises(DataError, match=r"compressed[\s\S]*gunzip"):
        list(scan(path, load=CLS, passed=PassedOver()))
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(scan(tmp_path / "1.tar", load=CLS, passed=PassedOver()))


def test_a_shard_filled_up_with_zeros_is_an_error(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.cls", b"1")])
    data = path.read_bytes()
    path.write_bytes(data + bytes(2**20))  # a download that reserved its space and then stopped
    with pytest.raises(DataError, match="goes on after its end"):
        list(scan(path, load=CLS, passed=PassedOver()))
    path.write_bytes(bytes(10240))
    with pytest.raises(DataError, match="it has no samples"):
        list(scan(path, load=CLS, passed=PassedOver()))


def test_shards_glued_together_are_an_error(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.cls", b"1")])
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(DataError, match="goes on after its end"):
        list(scan(path, load=CLS, passed=PassedOver()))


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [(f"{i}.cls", b"1") for i in range(4)])
    data = bytearray(path.read_bytes())
    data[512 * 4 + 10] ^= 0xFF  # the third header
    path.write_bytes(data)
    with pytest.raises(DataError, match="no end-of-archive mark"):
        list(scan(path, load=CLS, passed=PassedOver()))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(at=st.integers(0, 3000), patch=st.binary(min_size=1, max_size=20))
def test_damage_never_raises_anything_else(tmp_path: Path, at: int, patch: bytes) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.png", b"x" * 700), ("a.cls", b"1"), ("b.png", b"y")])
    data = bytearray(path.read_bytes())
    data[at : at + len(patch)] = patch
    path.write_bytes(data)
    try:
        read_all(path)
    except VlmbenchError as error:
        assert "0.tar" in str(error)


def test_a_shard_that_changes_later_gives_bad_samples(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [("a.png", b"x" * 700)])
    (sample,) = scan(path, load=CLS, passed=PassedOver())
    member = sample.members["png"]
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(BadSampleError, match="has become shorter"):
        read_member(member, "a")
    path.unlink()
    with pytest.raises(BadSampleError, match="No such file"):
        read_member(member, "a")


def test_threads_read_thousands_of_members_without_open_files(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [(f"{i:04d}.bin", bytes([i % 256]) * 50) for i in range(2000)])
    members: list[Member] = [sample.members["bin"] for sample in scan(path, load=CLS, passed=PassedOver())]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda member: read_member(member, "x"), members))
    assert found == [bytes([i % 256]) * 50 for i in range(2000)]


def test_a_shard_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0.tar")
    (tmp_path / "1.tar").symlink_to("/dev/zero")
    for name in ("0.tar", "1.tar"):
        with pytest.raises(DataError, match="not a regular file"):
            list(scan(tmp_path / name, load=CLS, passed=PassedOver()))
        with pytest.raises(BadSampleError, match="not a regular file"):
            read_member(Member(tmp_path / name, 0, 10), "x")


def test_a_size_that_the_file_does_not_have(tmp_path: Path) -> None:
    for size in (10**6, 2**40):
        header = tarfile.TarInfo("a.jpg")
        header.size = size
        (tmp_path / "0.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
        with pytest.raises(DataError, match=f"'a.jpg' should have {size:,} bytes"):
            list(scan(tmp_path / "0.tar", load=CLS, passed=PassedOver()))


def test_a_label_of_a_gigabyte_is_not_loaded(tmp_path: Path) -> None:
    header = tarfile.TarInfo("a.cls")
    header.size = 2**30
    path = tmp_path / "0.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, 512 + 2**30 + 1024)
    with pytest.raises(DataError, match="too many for a label"):
        list(scan(path, load=CLS, passed=PassedOver()))
