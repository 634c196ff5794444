"""Which tar files a location means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from data.layouts import write_folder, write_tar, write_wds

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.shards import Shards, expand_braces, find_shards
from vlmbench.errors import DataError, MissingDataError


def found(location: Path | str, split: str | None = None, data_root: Path | None = None) -> Shards:
    spec = SourceSpec(kind="wds", location=str(location), split=split)
    return find_shards(spec, SourceContext(data_root=data_root))


def numbers(shards: Shards) -> list[str]:
    return [tar.stem for tar in shards.tars]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a"]),
        ("{0..2}.tar", ["0.tar", "1.tar", "2.tar"]),
        ("{08..10}", ["08", "09", "10"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{x{1..2},y}", ["x1", "y", "x2", "y"]),
        ("{c}", ["{c}"]),
        ("{c}/{0,1}", ["{c}/0", "{c}/1"]),
    ],
)
def test_braces(pattern: str, expected: list[str]) -> None:
    assert list(expand_braces(pattern)) == expected


def test_shards_are_in_numeric_order(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0] * 12, shard_size=1)
    assert numbers(found(root)) == [str(i) for i in range(12)]
    (root / "test" / "nshards.txt").unlink()
    assert numbers(found(root)) == [str(i) for i in range(12)]
    assert numbers(found(root / "test" / "*.tar")) == [str(i) for i in range(12)]


def test_a_root_a_split_a_file_and_a_pattern_are_locations(tmp_path: Path) -> None:
    root = write_wds(tmp_path / "set", [0, 1, 2, 0], shard_size=2)
    for location in (root, root / "test"):
        shards = found(location)
        assert (numbers(shards), shards.split) == (["0", "1"], "test")
        assert shards.metadata_file("classnames.txt") == root / "classnames.txt"
    assert numbers(found(root / "test", split="test")) == ["0", "1"]
    one = found(root / "test" / "1.tar")
    assert (numbers(one), one.split) == (["1"], None)
    assert one.metadata_file("classnames.txt") == root / "classnames.txt"
    assert numbers(found(root / "test" / "{0..1}.tar")) == ["0", "1"]
    assert numbers(found("set/test/[01].tar", data_root=tmp_path)) == ["0", "1"]


def test_the_split_is_test_or_the_only_one_or_asked_for(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0], split="train")
    assert found(root).split == "train"
    write_wds(tmp_path, [0], split="val")
    with pytest.raises(DataError, match="several splits, and the card names none of them: train and val"):
        found(root)
    write_wds(tmp_path, [0], split="test")
    assert found(root).split == "test"
    assert found(root, split="val").split == "val"
    with pytest.raises(MissingDataError, match=r"no split 'dev' in .*: it has test, train and val"):
        found(root, split="dev")


def test_nshards_must_agree_with_the_folder(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0] * 4, shard_size=1)
    (root / "test" / "2.tar").unlink()
    with pytest.raises(DataError, match=r"nshards.txt states 4 shards; 1 missing: 2.tar"):
        found(root)
    (root / "test" / "nshards.txt").write_text("2")
    with pytest.raises(DataError, match=r"nshards.txt states 2 shards, but there are more: 3.tar"):
        found(root)
    (root / "test" / "nshards.txt").write_text("two")
    with pytest.raises(DataError, match="the number of shards, not 'two'"):
        found(root)


def test_what_has_no_shards_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"not found at .*nowhere"):
        found(tmp_path / "nowhere")
    with pytest.raises(MissingDataError):
        found(tmp_path / "{0..3}.tar")
    with pytest.raises(DataError, match="has no shards\nExpected: "):
        found(write_folder(tmp_path / "empty", {"readme.txt": b""}))
    packed = write_folder(tmp_path / "packed", {"test/0.tar.gz": b"", "test/nshards.txt": b"0"})
    with pytest.raises(DataError, match=r"only compressed ones \(0.tar.gz\)"):
        found(packed)
    write_tar(tmp_path / "p" / "0.tar", [])
    with pytest.raises(DataError, match=r"2 shards missing: .*1.tar and .*2.tar"):
        found(tmp_path / "p" / "{0..2}.tar")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("9" * 30, r"nshards.txt: 9{30} cannot be the number of shards; the folder has 2"),
        ("9" * 5000, r"nshards.txt: 9{40}… cannot be the number of shards"),
        ("999999999", r"states 999999999 shards; 999,999,997 missing: 2.tar, 3.tar, .* and 999,999,987 more"),
        ("-1", "must hold the number of shards"),
        ("1e3", "must hold the number of shards"),
        ("", "must hold the number of shards"),
    ],
)
def test_a_number_of_shards_that_cannot_be_is_refused_at_once(tmp_path: Path, said: str, message: str) -> None:
    root = write_wds(tmp_path, [0, 1], shard_size=1)
    (root / "test" / "nshards.txt").write_text(said)
    with pytest.raises(DataError, match=message):
        found(root)


def test_leading_zeros_count_for_nothing(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0, 1], shard_size=1)
    (root / "test" / "nshards.txt").write_text("0" * 20 + "2\n")
    assert numbers(found(root)) == ["0", "1"]


@pytest.mark.parametrize("target", ["/dev/zero", "nshards.txt", "pipe"])
def test_a_number_of_shards_that_is_no_file(tmp_path: Path, target: str) -> None:
    root = write_wds(tmp_path, [0, 1], shard_size=1)
    path = root / "test" / "nshards.txt"
    path.unlink()
    os.mkfifo(path) if target == "pipe" else path.symlink_to(target)
    if target == "nshards.txt":  # a link to itself leads nowhere
        assert numbers(found(root)) == ["0", "1"]
    else:
        with pytest.raises(DataError, match="not a regular file"):
            found(root)


@pytest.mark.parametrize("pattern", ["{0..999999999}.tar", "{0..999}{0..999}{0..999}.tar"])
def test_a_pattern_of_too_many_names(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(DataError, match="more than 100,000 names"):
        found(f"{tmp_path}/{pattern}")
