"""Copies of datasets in object storage: complete or not used, made once, and never of two versions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from data.buckets import put_folder, reads_of
from data.layouts import contents, image_bytes, write_folder, write_wds
from object_storage import BUCKET, Fault, ObjectStorage

from vlmbench.cards import SourceSpec, make_task
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.hub.fetch import Wanted, carry_out, plan_fetch
from vlmbench.data.open import open_source
from vlmbench.data.urls import copies
from vlmbench.errors import DataError, MissingDataError, StoreError
from vlmbench.storage.base import Url
from vlmbench.storage.remote import RemoteFolder

ROOT = SourceContext(data_root=Url(f"s3://{BUCKET}/all"))
OFFLINE = SourceContext(data_root=Url(f"s3://{BUCKET}/all"), offline=True)


def folder(root: Path) -> Path:
    return write_folder(root, {f"{name}/{n}.png": image_bytes(n) for name in ("cat", "dog") for n in range(2)})


def opened(location: object, context: SourceContext | None = None, **fields: object) -> ImageDataset:
    spec = SourceSpec.model_validate({"kind": "imagefolder", "location": str(location), **fields})
    return open_source(spec, context or SourceContext())


def test_the_samples_are_those_of_the_folder_and_a_second_opening_reads_nothing(
    storage: ObjectStorage, tmp_path: Path
) -> None:
    root = folder(tmp_path / "pets")
    url = put_folder(storage, root, "pets")
    found = opened(url)
    assert contents(found) == contents(opened(root))
    assert (found.info.location, found.classes) == (url, ("cat", "dog"))
    assert len(reads_of(storage, ".png")) == 4
    assert opened(url).state() == found.state()
    assert reads_of(storage, ".png") == []


def test_a_new_version_is_copied_and_a_removed_file_goes(storage: ObjectStorage, tmp_path: Path) -> None:
    url = put_folder(storage, folder(tmp_path / "pets"), "pets")
    opened(url)
    storage.asked.clear()
    storage.put("pets/cat/0.png", image_bytes(9))
    storage.client.delete_object(Bucket=BUCKET, Key="pets/dog/1.png")
    found = opened(url)
    assert reads_of(storage, ".png") == [f"GET /{BUCKET}/pets/cat/0.png"]
    assert [sample.id for sample in found.samples] == ["cat/0.png", "cat/1.png", "dog/0.png"]
    assert found.read(0) == image_bytes(9)


def test_a_copy_goes_on_after_a_break(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_PART_BYTES", 100)
    root = write_folder(tmp_path / "pets", {"cat/0.png": image_bytes(0), "dog/0.png": image_bytes(1)})
    url = put_folder(storage, root, "pets")
    read, parts = copies.read_range, []

    def broken(remote: RemoteFolder, entry: object, start: int, stop: int) -> bytes:
        parts.append(start)
        if start >= 200:
            raise StoreError("the network is gone")
        return read(remote, entry, start, stop)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(copies, "read_range", broken)
        with pytest.raises(StoreError, match=r"the network is gone|was given up"):
            opened(url)
    with pytest.raises(MissingDataError, match="no complete copy"):  # a part of the data is no data
        opened(url, SourceContext(offline=True))
    storage.asked.clear()
    assert contents(opened(url)) == contents(opened(root))
    assert len(reads_of(storage, "cat/0.png")) < -(-len(image_bytes(0)) // 100)


def test_two_at_once_copy_once(storage: ObjectStorage, tmp_path: Path) -> None:
    root = folder(tmp_path / "pets")
    url = put_folder(storage, root, "pets")
    storage.asked.clear()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: contents(opened(url)), range(3)))
    assert found == [contents(opened(root))] * 3
    assert len(reads_of(storage, ".png")) == 4


def test_a_file_that_arrives_damaged_is_copied_again(
    storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder(tmp_path / "pets")
    url = put_folder(storage, root, "pets")
    read = copies.read_range
    spoilt: list[str] = []

    def spoil(remote: RemoteFolder, entry: object, start: int, stop: int) -> bytes:
        data = read(remote, entry, start, stop)  # type: ignore[arg-type]
        if not spoilt:
            spoilt.append("")
            return bytes(len(data))
        return data

    monkeypatch.setattr(copies, "read_range", spoil)
    assert contents(opened(url)) == contents(opened(root))
    assert spoilt


def test_versions_that_are_no_md5_are_found_out(
    storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a bucket with keys of its own: versions look like MD5s, and no content has them."""
    root = folder(tmp_path / "pets")
    url = put_folder(storage, root, "pets")
    monkeypatch.setattr(copies, "mismatch", lambda path, file: "another checksum" if file.md5 else None)
    assert contents(opened(url)) == contents(opened(root))
    assert len(reads_of(storage, ".png")) <= 8
    assert opened(url)
    assert reads_of(storage, ".png") == []


@pytest.mark.parametrize(("kind", "message"), [(403, "the storage does not allow it"), ("dropped", None)])
def test_failures_of_the_storage(storage: ObjectStorage, tmp_path: Path, kind: int | str, message: str | None) -> None:
    root = folder(tmp_path / "pets")
    url = put_folder(storage, root, "pets")
    storage.faults += [Fault("GET", "cat/1.png", kind)]  # type: ignore[arg-type]
    if message is None:
        assert contents(opened(url)) == contents(opened(root))
    else:
        with pytest.raises((StoreError, DataError), match=message):
            opened(url)
    assert contents(opened(url)) == contents(opened(root))


def test_a_full_disk(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = put_folder(storage, folder(tmp_path / "pets"), "pets")
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(DataError, match=r"no room: .* must be copied"):
            opened(url)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(DataError, match=r"cannot be copied to .*No space left"):
            opened(url)
    assert len(opened(url).samples) == 4


def test_below_a_data_root(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = folder(tmp_path / "all/pets")
    write_folder(tmp_path / "all/large", {"x.bin": b"x"})
    put_folder(storage, tmp_path / "all", "all")
    shutil.move(root, tmp_path / "elsewhere")
    found = opened("animals", ROOT, other_locations=["pets", "."])
    assert found.info.location == "pets"
    assert contents(found) == contents(opened(tmp_path / "elsewhere"))
    assert reads_of(storage, ".bin") == []
    assert contents(opened("pets", OFFLINE)) == contents(found)
    with pytest.raises(MissingDataError, match=f"s3://{BUCKET}/all/large.*no complete copy"):
        opened("large", OFFLINE)
    with pytest.raises(MissingDataError, match=f"looked in s3://{BUCKET}/all"):
        opened("animals", ROOT, other_locations=["beasts"])
    assert contents(opened("elsewhere", ROOT)) == contents(found)  # in the working directory


def test_a_list_brings_its_folder_and_the_images_that_options_name(storage: ObjectStorage, tmp_path: Path) -> None:
    images = {f"cat/{n}.png": image_bytes(n) for n in range(2)} | {"dog/2.png": image_bytes(2)}
    write_folder(tmp_path / "all/photos", images)
    write_folder(tmp_path / "all/lists", {"test.txt": "\n".join(images).encode()})
    write_folder(tmp_path / "all/other", {"x.bin": b"x"})
    put_folder(storage, tmp_path / "all", "all")
    spec = {"kind": "filelist", "options": {"images": [".", "..", "../photos"]}}
    found = opened("lists/test.txt", ROOT, **spec)
    assert contents(found) == contents(opened(tmp_path / "all/lists/test.txt", **spec))
    assert found.info.location == "lists/test.txt"
    assert reads_of(storage, ".bin") == []


def test_errors_name_the_url(storage: ObjectStorage, tmp_path: Path) -> None:
    url = put_folder(storage, write_folder(tmp_path / "pets", {"a.png": image_bytes(0)}), "pets")
    with pytest.raises(DataError) as on_disk:
        opened(tmp_path / "pets")
    with pytest.raises(DataError) as at_url:
        opened(url)
    assert str(at_url.value) == str(on_disk.value).replace(str(tmp_path / "pets"), url)


def test_torchvision_below_a_data_root(storage: ObjectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put_folder(
        storage, write_folder(tmp_path / "all", {"stl10_binary/class_names.txt": b"x", "big/x.bin": b"x"}), "all"
    )
    with pytest.raises(DataError, match=f"the dataset in s3://{BUCKET}/all is incomplete"):
        opened("STL10", ROOT, kind="torchvision")
    assert reads_of(storage, ".bin") == []


def wanted(kind: str, location: str, context: SourceContext) -> Wanted:
    card = make_task("pets", "classification", SourceSpec(kind=kind, location=location))
    return Wanted(card, context)


def fetched(each: Wanted, *, verify: bool = False) -> tuple[str, int, int | None]:
    plan = plan_fetch([each], workers=2, verify=verify)
    arrived: list[int] = []
    (outcome,) = carry_out(plan, workers=2, advance=arrived.append)
    assert outcome.problem is None
    assert sum(arrived) == plan.to_fetch
    return plan.tasks[0].state, plan.to_fetch, outcome.samples


def test_fetch_copies_and_verifies(storage: ObjectStorage, tmp_path: Path) -> None:
    root = folder(tmp_path / "all/pets")
    put_folder(storage, tmp_path / "all", "all")
    size = sum(path.stat().st_size for path in root.rglob("*.png"))
    shutil.rmtree(root)
    pets = wanted("imagefolder", "pets", ROOT)
    assert fetched(pets) == ("imagefolder", size, 4)
    assert fetched(pets) == ("imagefolder", 0, 4)
    (copy,) = (tmp_path / "cache/data").rglob("cat/0.png")
    copy.write_bytes(bytes(copy.stat().st_size))
    assert fetched(pets, verify=True) == ("imagefolder", copy.stat().st_size, 4)
    assert copy.read_bytes() == image_bytes(0)
    assert len(opened("pets", OFFLINE).samples) == 4


def test_fetch_says_that_webdatasets_are_streamed(storage: ObjectStorage, tmp_path: Path) -> None:
    put_folder(storage, write_wds(tmp_path / "letters", [0, 1, 2]), "all/letters")
    shutil.rmtree(tmp_path / "letters")
    assert fetched(wanted("wds", "letters", ROOT)) == ("streamed", 0, 3)


def test_another_server_with_the_same_bucket_has_its_own_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    place: Callable[[], Path] = lambda: copies.local_place(Url("s3://data/pets"))  # noqa: E731
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    first = place()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://one")
    assert place() != first
