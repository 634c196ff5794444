"""WebDatasets: read as CLIP_benchmark reads them, and everything that can be wrong with a sample."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import webdataset
from data.layouts import CLASSES, contents, image_bytes, named, npy_bytes, write_folder, write_tar, write_wds
from hypothesis import given, settings
from hypothesis import strategies as st
from said import remarked, sentences

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext, fingerprint
from vlmbench.data.open import open_source
from vlmbench.data.sources.imagefolder import open_source as open_folder
from vlmbench.errors import DataError, LabelError, UsageError

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MULTI = SourceContext(target="classes")


def opened(location: Path, context: SourceContext | None = None, **fields: object) -> ImageDataset:
    spec = SourceSpec.model_validate({"kind": "wds", "location": str(location), **fields})
    return open_source(spec, context or SourceContext())


def one_shard(root: Path, *members: tuple[str, bytes]) -> Path:
    return write_tar(root / "0.tar", members)


def test_samples_classes_and_templates(tmp_path: Path) -> None:
    dataset = opened(write_wds(tmp_path, [2, 0, 1], shard_size=2))
    assert contents(dataset) == [(f"s{i:07d}", label, image_bytes(i)) for i, label in enumerate([2, 0, 1])]
    assert dataset.classes == CLASSES
    assert dataset.templates == ("a photo of a {c}.", "a drawing of a {c}.")
    assert (dataset.info.kind, dataset.info.split, dataset.info.revision) == ("wds", "test", None)


def test_metadata_may_be_absent(tmp_path: Path) -> None:
    dataset = opened(write_wds(tmp_path, [0], classes=None))
    assert dataset.classes is None
    assert dataset.templates is None


def test_keys_that_repeat_across_shards_are_prefixed(tmp_path: Path) -> None:
    for shard in ("0", "1"):
        write_tar(tmp_path / "test" / f"{shard}.tar", [("a.png", b"x"), ("a.cls", shard.encode())])
    assert [(s.id, s.target) for s in opened(tmp_path).samples] == [("0/a", 0), ("1/a", 1)]


def test_a_key_that_comes_back_in_one_shard_is_refused(tmp_path: Path) -> None:
    pair = [("a.png", b"x"), ("a.cls", b"0")]
    with pytest.raises(DataError, match="two samples have the id '0/a'"):
        opened(one_shard(tmp_path, *pair, ("b.png", b"x"), ("b.cls", b"0"), *pair))


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        ([("a.png", b"x")], LabelError, r"'a': it has no label \(.cls\)"),
        ([("a.png", b"x"), ("a.txt", b"a cat")], LabelError, "is this a retrieval set"),
        ([("a.png", b"x"), ("a.npy", b"")], LabelError, "is this a multi-label set"),
        ([("a.png", b"x"), ("a.cls", b"cat")], LabelError, "not an integer: b'cat'"),
        ([("a.png", b"x"), ("a.cls", b"1.0")], LabelError, "not an integer"),
        ([("a.png", b"x"), ("a.cls", b"")], LabelError, "not an integer"),
        ([("a.png", b"x"), ("a.cls", b"9" * 5000)], LabelError, "not an integer"),
        ([("a.cls", b"1")], DataError, "'a': it has no image, only .cls"),
        ([("a.png", b"x"), ("a.jpg", b"x"), ("a.cls", b"1")], DataError, r"2 images \(.png and .jpg\)"),
        ([("a.png", b"x"), ("b.cls", b"1")], LabelError, "'a': it has no label"),
        ([("a.heic", b"x"), ("a.cls", b"1")], DataError, r"no image, only .heic and .cls[\s\S]*pillow-heif"),
        ([("a.png", b"x"), ("a.JFIF", b"x"), ("a.cls", b"1")], DataError, r"2 images \(.png and .jfif\)"),
        ([("a.png", b"x"), ("a.png", b"x"), ("a.cls", b"1")], DataError, "two files that end in .png"),
    ],
)
def test_wrong_samples_are_named(
    tmp_path: Path, members: list[tuple[str, bytes]], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as raised:
        opened(one_shard(tmp_path, *members))
    assert "0.tar" in str(raised.value)


@pytest.mark.parametrize("suffix", ["JPG", "jfif", "avif", "ppm", "jp2", "TIFF", "WebP"])
def test_every_format_of_pillow_is_an_image(tmp_path: Path, suffix: str) -> None:
    dataset, said = remarked(lambda: opened(one_shard(tmp_path, (f"a.{suffix}", b"x"), ("a.cls", b"1"))))
    assert contents(dataset) == [("a", 1, b"x")] and not said


STRANGERS = {
    "s1.bin": "of other kinds",
    "s1.seg.png": "of other kinds",
    "README": "of other kinds",
    "._s1.jpg": "hidden",
    "__MACOSX/._s1.jpg": "in hidden or system folders",
    "Thumbs.db": "of the system's",
}
KNOWN = ("s1.json", "s1.txt", "s1.npy", "__meta__")


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(sorted(STRANGERS))), st.sets(st.sampled_from(KNOWN)))
def test_members_are_read_known_or_counted(strangers: set[str], known: set[str]) -> None:
    own = sorted(name for name in (*strangers, *known) if name.startswith("s1."))
    others = sorted({*strangers, *known} - set(own))
    members = ["s0.jpg", "s0.cls", "s1.jpg", "s1.cls", *own, *others]
    with TemporaryDirectory() as top:
        shard = one_shard(Path(top), *((name, b"1") for name in members))
        dataset, said = remarked(lambda: opened(shard))
    assert [sample.id for sample in dataset.samples] == ["s0", "s1"]
    assert [(remark.code, remark.count) for remark in said] == [("files-passed-over", len(strangers))] * bool(strangers)
    for reason, count in Counter(STRANGERS[name] for name in strangers).items():
        assert f"{count} {reason}" in said[0].text


def test_files_beside_the_shards_of_a_split_are_counted(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [2, 0, 1])
    others = ("test/0_stats.json", "test/0.parquet", "test/1.TAR", "test/.x", "README.md", "train/0.tar")
    write_folder(root, dict.fromkeys(others, b"x"))
    (said,) = sentences(lambda: opened(root))
    assert said == (
        f"files-passed-over: 4 files of wds '{root}' were passed over (1 hidden; 3 of other kinds: "
        "1 .json, 1 .parquet, 1 .tar): .x, 0.parquet, 0_stats.json, …"
    )
    assert sentences(lambda: opened(root / "test" / "0.tar")) == []


def test_a_label_may_end_in_a_newline_and_stand_before_the_image(tmp_path: Path) -> None:
    dataset = opened(one_shard(tmp_path, ("a.cls", b" 7\n"), ("a.JPEG", b"x"), ("a.json", b"{}")))
    assert contents(dataset) == [("a", 7, b"x")]


def test_multi_label_vectors_become_indices(tmp_path: Path) -> None:
    vectors = [np.array([1, 0, 1], np.float32), np.array([0, 0, 0], np.int64), np.array([False, True, False])]
    (tmp_path / "classnames.txt").write_text("a\nb\nc\n")
    (tmp_path / "dataset_type.txt").write_text("multilabel\n")
    members = [[(f"{i}.webp", b"x"), (f"{i}.npy", npy_bytes(vector))] for i, vector in enumerate(vectors)]
    write_tar(tmp_path / "test" / "0.tar", [member for sample in members for member in sample])
    assert [sample.target for sample in opened(tmp_path, MULTI).samples] == [(0, 2), (), (1,)]
    with pytest.raises(LabelError, match=r"the set is multi-label, but the task is not\n.*multi_label: true"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("npy", "message"),
    [
        (npy_bytes([0.5, 0, 1]), "values other than 0 and 1"),
        (npy_bytes([np.nan, 0, 1]), "values other than 0 and 1"),
        (npy_bytes([-1, 0, 1]), "values other than 0 and 1"),
        (npy_bytes([1, 0]), "2 numbers, but the task has 3 classes"),
        (npy_bytes([[1, 0, 0]]), "not a vector"),
        (npy_bytes(1), "not a vector"),
        (npy_bytes(["a", "b", "c"]), "values other than 0 and 1"),
        (npy_bytes(np.array([{}, 0, 1], object)), "cannot be read: Object arrays cannot be loaded"),
        (b"\x93NUMPY\x01", "cannot be read"),
        (b"", "cannot be read"),
        (b"not numpy", "cannot be read"),
    ],
)
def test_vectors_that_are_none_are_refused(tmp_path: Path, npy: bytes, message: str) -> None:
    shard = one_shard(tmp_path, ("k.png", b"x"), ("k.npy", npy))
    with pytest.raises(LabelError, match=rf"sample 'k'.*{message}"):
        opened(shard, named("a", "b", "c", multi_label=True))


def test_a_multi_label_task_needs_vectors(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"no label \(.npy\)\nIt has a .cls"):
        opened(one_shard(tmp_path, ("a.png", b"x"), ("a.cls", b"1")), MULTI)


def test_broken_metadata_is_said(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0])
    (root / "classnames.txt").write_text("a\n\nb\n")
    with pytest.raises(LabelError, match=r"classnames.txt: line 2 is empty"):
        opened(root)
    (root / "classnames.txt").write_bytes(b"\xff\xfa")
    with pytest.raises(DataError, match=r"classnames.txt cannot be read"):
        opened(root)
    (root / "classnames.txt").write_bytes(b"\xef\xbb\xbf a \r\nb\r\n\n")
    assert opened(root).classes == ("a", "b")
    (root / "zeroshot_classification_templates.txt").write_text("a photo\n")
    with pytest.raises(DataError, match="has no place for the class name"):
        opened(root)
    (root / "dataset_type.txt").write_text("retrieval\n")
    with pytest.raises(DataError, match="retrieval set"):
        opened(root)
    with pytest.raises(UsageError, match=r"'class_name'[\s\S]*class_names"):
        opened(root, options={"class_name": "card"})
    with pytest.raises(UsageError, match=r"wds does not use `folders`\nThese sources use it: frames, imagefolder"):
        opened(root, folders=["a"])


def test_state_follows_shards_and_metadata(tmp_path: Path) -> None:
    root = write_wds(tmp_path, [0, 1])
    states = [opened(root).state(), opened(root).state()]
    assert states[0] == states[1]
    (root / "classnames.txt").write_text("a\nb\n")
    states.append(opened(root).state())
    write_wds(tmp_path, [0, 1, 1])
    states.append(opened(root).state())
    assert len(set(states)) == 3


def test_real_cifar10_is_the_same_as_a_folder_and_as_the_webdataset_library_reads_it(
    tmp_path: Path, real_data: Path
) -> None:
    folder = SourceSpec(kind="imagefolder", location=str(real_data / "cifar10" / "test"))
    original = open_folder(folder, named(*CIFAR10))
    (tmp_path / "test").mkdir()
    (tmp_path / "classnames.txt").write_text("\n".join(CIFAR10))
    pattern = str(tmp_path / "test" / "%d.tar")
    with webdataset.ShardWriter(pattern, maxcount=50, verbose=0) as sink:  # as clip_benchmark_export_wds does
        for index, sample in enumerate(original.samples):
            sink.write({"__key__": f"s{index:07d}", "png": original.read(index), "cls": sample.target})
    (tmp_path / "test" / "nshards.txt").write_text("12\n")

    dataset = opened(tmp_path, named(*CIFAR10))
    assert fingerprint_of(dataset) == fingerprint_of(original)
    assert [content[1:] for content in contents(dataset)] == [content[1:] for content in contents(original)]
    urls = str(tmp_path / "test" / "{0..11}.tar")
    peer = webdataset.WebDataset(urls, shardshuffle=False)
    assert contents(dataset) == [(s["__key__"], int(s["cls"]), s["png"]) for s in peer]


def fingerprint_of(dataset: ImageDataset) -> str:
    return fingerprint((hashlib.sha256(data).hexdigest(), target) for _, target, data in contents(dataset))  # type: ignore[misc]


def test_a_webdataset_says_of_no_sample_that_it_does_not_show_its_class(tmp_path: Path) -> None:
    spec = SourceSpec(kind="wds", location=str(write_wds(tmp_path, [0, 1])))
    with pytest.raises(LabelError, match="does not have a class that each sample may or may not show"):
        open_source(spec, SourceContext(target="annotated class"))
