"""Webdatasets in object storage: the same samples as on a disk, and every way in which a storage fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy_adapter  # noqa: F401  # registers the toy
from data.buckets import put_folder, reads_of
from data.layouts import contents, write_tar, write_wds
from object_storage import BUCKET, SECRET, Fault, ObjectStorage
from said import sentences

import vlmbench
from vlmbench.cards import SourceSpec, make_task
from vlmbench.catalogue import named_tasks
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_source
from vlmbench.errors import DataError, LabelError, MissingDataError, StoreError, VlmbenchError
from vlmbench.records import Record
from vlmbench.storage.base import Url

LABELS = [2, 0, 1, 1, 2]


def opened(location: object, context: SourceContext | None = None, **fields: object) -> ImageDataset:
    spec = SourceSpec.model_validate({"kind": "wds", "location": str(location), **fields})
    return open_source(spec, context or SourceContext())


def same(one: ImageDataset, other: ImageDataset) -> bool:
    return (contents(one), one.classes, one.templates, one.info.split) == (
        contents(other),
        other.classes,
        other.templates,
        other.info.split,
    )


@pytest.mark.parametrize("below", ["", "/test", "/test/0.tar", "/test/{0..2}.tar", "/*/[01].tar"])
def test_the_samples_are_those_of_the_same_shards_on_a_disk(storage: ObjectStorage, tmp_path: Path, below: str) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    url = put_folder(storage, root, "sets/letters")
    streamed = opened(url + below)
    assert same(streamed, opened(f"{root}{below}"))
    assert streamed.info.location == url + below
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.suffix == ".tar"]


def test_a_second_opening_reads_no_shard_and_a_new_version_only_its_own(storage: ObjectStorage, tmp_path: Path) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    url = put_folder(storage, root, "set")
    storage.asked.clear()
    first = opened(url)
    assert len(reads_of(storage, ".tar")) == 3
    second = opened(url)
    assert reads_of(storage, ".tar") == []
    assert first.state() == second.state()
    write_wds(tmp_path / "other", [0, 0, *LABELS[2:]])
    storage.put("set/test/0.tar", (tmp_path / "other/test/0.tar").read_bytes())
    third = opened(url)
    assert reads_of(storage, ".tar") == [f"GET /{BUCKET}/set/test/0.tar"]
    assert third.state() != first.state()
    assert [sample.target for sample in third.samples] == [0, 0, *LABELS[2:]]


def test_the_files_that_describe_the_data_count_for_its_state(storage: ObjectStorage, tmp_path: Path) -> None:
    url = put_folder(storage, write_wds(tmp_path / "set", LABELS), "set")
    before = opened(url).state()
    storage.put("set/classnames.txt", b"one\ntwo\nthree\n")
    assert opened(url).state() != before


@pytest.mark.parametrize("kind", ["dropped", "cut", 429, 500, 503])
def test_a_passing_failure_is_asked_again(storage: ObjectStorage, tmp_path: Path, kind: int | str) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    url = put_folder(storage, root, "set")
    storage.faults += [Fault("GET", "/test/1.tar", kind, times=2)]  # type: ignore[arg-type]
    dataset = opened(url)
    storage.faults += [Fault("GET", "/test/0.tar", kind), Fault("GET", "/test/2.tar", kind)]  # type: ignore[arg-type]
    assert contents(dataset) == contents(opened(root))
    assert not any(fault.times for fault in storage.faults)


def test_what_is_forbidden_is_one_plain_message(storage: ObjectStorage, tmp_path: Path) -> None:
    url = put_folder(storage, write_wds(tmp_path / "set", LABELS), "set")
    dataset = opened(url)
    storage.faults += [Fault("GET", "/test/0.tar", 403)]
    with pytest.raises(StoreError, match=f"cannot read '{url}': the storage does not allow it \\(403\\)") as caught:
        dataset.read(0)
    assert SECRET not in str(caught.value)
    assert dataset.read(0) == opened(tmp_path / "set").read(0)  # it was a passing state of the storage


def test_a_shard_that_has_changed_or_gone_gives_no_bytes(storage: ObjectStorage, tmp_path: Path) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    url = put_folder(storage, root, "set")
    dataset = opened(url)
    shard = (root / "test/0.tar").read_bytes()
    storage.put("set/test/0.tar", bytes(len(shard)))  # as long as before
    with pytest.raises(StoreError, match=r"0.tar' has changed since it was listed"):
        dataset.read(0)
    storage.client.delete_object(Bucket=BUCKET, Key="set/test/0.tar")
    with pytest.raises(StoreError, match=r"0.tar' is not there any more"):
        dataset.read(0)


def test_a_shard_that_changes_while_it_is_listed(
    storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put_folder(storage, write_wds(tmp_path / "set", LABELS), "set")
    from vlmbench.data.urls import streamed

    read = streamed.read_range

    def changed_first(*arguments: object) -> bytes:
        storage.put("set/test/1.tar", b"another")
        return read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(streamed, "read_range", changed_first)
    with pytest.raises(StoreError, match=r"1.tar' has changed"):
        opened(url)
    assert reads_of(storage, "1.tar")


def damaged(root: Path) -> None:
    (root / "test/1.tar").write_bytes((root / "test/1.tar").read_bytes()[:-10_000])


def without_a_label(root: Path) -> None:
    write_tar(root / "test/1.tar", [("a.png", b"x")])


def with_a_shard_missing(root: Path) -> None:
    (root / "test/1.tar").unlink()


def with_an_odd_name(root: Path) -> None:
    (root / "classnames.txt").write_text("a\n\nb\n")


@pytest.mark.parametrize("spoil", [damaged, without_a_label, with_a_shard_missing, with_an_odd_name])
def test_errors_are_those_of_a_disk_with_the_url(storage: ObjectStorage, tmp_path: Path, spoil: object) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    spoil(root)  # type: ignore[operator]
    url = put_folder(storage, root, "sets/letters")
    with pytest.raises((DataError, LabelError)) as on_disk:
        opened(root)
    with pytest.raises((DataError, LabelError)) as at_url:
        opened(url)
    assert str(at_url.value) == str(on_disk.value).replace(str(root), url)
    assert type(at_url.value) is type(on_disk.value)


def test_remarks_are_those_of_a_disk(storage: ObjectStorage, tmp_path: Path) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    write_tar(root / "test/1.tar", [("a.png", b"x"), ("a.cls", b"1"), (".hidden", b"x"), ("a.depth", b"x")])
    (root / "test/notes.pdf").write_bytes(b"x")
    url = put_folder(storage, root, "set")
    said = {}
    for name, location in (("disk", str(root)), ("first", url), ("kept", url)):
        said[name] = [text.replace(location, "HERE") for text in sentences(lambda: opened(location))]  # noqa: B023
    assert said["disk"]
    assert said["first"] == said["kept"] == said["disk"]


def test_below_a_data_root(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = write_wds(tmp_path / "here", LABELS)
    put_folder(storage, root, "all/letters")
    context = SourceContext(data_root=Url(f"s3://{BUCKET}/all"))
    found = opened("letters", context)
    assert same(found, opened(root))
    assert found.info.location == "letters"
    assert same(opened("here", context), opened(root))  # it is only in the working directory
    with pytest.raises(MissingDataError, match=f"not found at s3://{BUCKET}/all/numbers, {tmp_path}/numbers"):
        opened("numbers", context)


def test_what_is_not_there(storage: ObjectStorage, tmp_path: Path) -> None:
    url = put_folder(storage, write_wds(tmp_path / "set", LABELS), "set")
    for location, message in (
        (f"s3://{BUCKET}/other", "not found at"),
        (f"{url}/train", "not found at"),
        ("s3://no-such-bucket/set", "no such bucket 'no-such-bucket'"),
    ):
        with pytest.raises(VlmbenchError, match=message):
            opened(location)
    with pytest.raises(MissingDataError, match="no split 'train'") as caught:
        opened(url, split="train")
    assert url in caught.value.message
    with pytest.raises(MissingDataError, match="--offline forbids it"):
        opened(url, SourceContext(offline=True))


def test_names_that_lead_out_of_a_folder_are_refused(storage: ObjectStorage) -> None:
    storage.put("set/test/0.tar", b"x")
    storage.put("set/test/a//b.tar", b"x")
    with pytest.raises(DataError, match=r"has 1 name that cannot be a file on a disk: test/a//b.tar"):
        opened(f"s3://{BUCKET}/set")


def test_a_cache_that_cannot_be_written_or_read_is_no_error(storage: ObjectStorage, tmp_path: Path) -> None:
    root = write_wds(tmp_path / "set", LABELS)
    url = put_folder(storage, root, "set")
    opened(url)
    for kept in (tmp_path / "cache/shards").glob("*.json"):
        kept.write_bytes(kept.read_bytes()[:50])
    assert same(opened(url), opened(root))
    (tmp_path / "file").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMBENCH_CACHE", str(tmp_path / "file"))
        assert same(opened(url), opened(root))


def test_a_storage_without_conditional_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsspec's memory has no ETags: the time of the last write is the version, and is asked for after each read."""
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    root = write_wds(tmp_path / "set", LABELS)
    for path in (path for path in root.rglob("*") if path.is_file()):
        memory.pipe_file(f"/streamed/set/{path.relative_to(root).as_posix()}", path.read_bytes())
    dataset = opened("memory://streamed/set")
    assert same(dataset, opened(root))
    dataset = opened("memory://streamed/set")
    memory.pipe_file("/streamed/set/test/0.tar", bytes((root / "test/0.tar").stat().st_size))
    with pytest.raises(StoreError, match=r"0.tar' has changed since it was listed"):
        dataset.read(0)


def test_credentials_in_a_url_are_refused_and_not_repeated(storage: ObjectStorage) -> None:
    location = f"s3://AKIATEST:{SECRET}@{BUCKET}/set"
    for ask in (lambda: opened(location), lambda: named_tasks(f"wds:{location}")):
        with pytest.raises(VlmbenchError, match="has credentials in it") as caught:
            ask()
        assert SECRET not in str(caught.value)


def test_a_run_has_the_same_record(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wds(tmp_path / "all/letters", LABELS)
    put_folder(storage, tmp_path / "all", "all")
    card = make_task("letters", "classification", SourceSpec(kind="wds", location="letters"))
    root, url = tmp_path / "all", f"s3://{BUCKET}/all"

    def record(data_root: object, runs: str) -> Record:
        (found,) = vlmbench.evaluate("toy:a", card, data_root=data_root, results=tmp_path / runs, device="cpu")
        return found

    at_url, on_disk = record(url, "at url"), record(root, "on disk")
    assert at_url.model_dump(exclude={"run"}) == on_disk.model_dump(exclude={"run"})
    (written,) = (tmp_path / "at url").rglob("*.json")
    assert SECRET not in written.read_text()
    storage.asked.clear()
    assert record(url, "at url") == at_url
    assert reads_of(storage, ".tar") == []  # the record was found by the versions of the shards
    assert record(root, "at url") == at_url
