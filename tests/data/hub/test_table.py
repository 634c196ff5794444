"""Tables of images and labels, from the hub and from folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from data.hub_layouts import class_label, opened, table, tree
from data.hub_server import Hub
from data.layouts import contents, image_bytes, named, write_folder

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_dataset
from vlmbench.errors import BadSampleError, DataError, LabelError

OFFLINE = SourceContext(offline=True)

pytestmark = pytest.mark.usefixtures("hub_caches")


def test_a_pushed_table_is_fetched_by_split_and_its_bytes_are_the_files_own(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "set"
    table(root / "data" / "test-00000-of-00001.parquet", [1, 0, 1], class_label("cat", "dog"))
    table(root / "data" / "train-00000-of-00001.parquet", [0], class_label("cat", "dog"))
    sha = hub.repo("org/table").commit({**tree(root), "README.md": b"# x"})
    dataset = opened("org/table")
    assert contents(dataset) == [(str(i), label, image_bytes(i, "JPEG")) for i, label in enumerate([1, 0, 1])]
    assert dataset.classes == ("cat", "dog")
    assert (dataset.info.revision, dataset.templates) == (sha, None)
    assert hub.fetched() == ["README.md", "data/test-00000-of-00001.parquet"]
    asked = len(hub.requests)
    assert contents(opened("org/table", OFFLINE)) == contents(dataset)
    assert len(hub.requests) == asked
    assert opened("org/table", split="train").samples[0].target == 0
    with pytest.raises(DataError, match=r"split 'val' cannot be read as a table"):
        opened("org/table", split="val")


def test_tables_are_checked_against_the_cards_classes(tmp_path: Path) -> None:
    table(tmp_path / "test.parquet", [0, 1], class_label("cat", "dog"))
    spec = SourceSpec(kind="hub", location=str(tmp_path))
    assert len(open_dataset([spec], named("Cat", "Dog")).samples) == 2
    with pytest.raises(LabelError, match="another order"):
        open_dataset([spec], named("dog", "cat"))
    unlabelled = table(tmp_path / "u" / "test.parquet", [-1, 1], class_label("cat", "dog")).parent
    with pytest.raises(LabelError, match="'0' has label -1"):
        open_dataset([SourceSpec(kind="hub", location=str(unlabelled))], SourceContext())


def test_columns_are_found_or_named(tmp_path: Path) -> None:
    import datasets

    root = table(tmp_path / "int" / "test.parquet", [5, 7], datasets.Value("int64")).parent
    dataset = opened(root)
    assert ([s.target for s in dataset.samples], dataset.classes) == ([5, 7], None)
    with pytest.raises(LabelError, match="label_column: no column 'lable'; it has img, note and label"):
        opened(root, options={"label_column": "lable"})
    with pytest.raises(LabelError, match="row 0: its label is 'x', not a class index"):
        opened(root, options={"label_column": "note"})
    text = table(tmp_path / "text" / "test.parquet", ["a", "b"], datasets.Value("string")).parent
    with pytest.raises(LabelError, match=r"which is the label_column\? no column fits; columns: img, note and label"):
        opened(text)
    plain = write_folder(tmp_path / "csv", {"test.csv": b"a,label\n1,2\n"})
    with pytest.raises(DataError, match=r"which is the image_column\? no column fits"):
        opened(plain)
    gone = table(tmp_path / "gone" / "test.parquet", [None, 1], class_label("a", "b")).parent
    with pytest.raises(LabelError, match="row 0: its label is None"):
        opened(gone)


def test_multi_label_tables_need_lists_of_class_labels(tmp_path: Path) -> None:
    import datasets

    multi = SourceContext(target="classes")
    feature = datasets.Sequence(class_label("a", "b", "c"))
    root = table(tmp_path / "m" / "test.parquet", [[2, 0], []], feature).parent
    dataset = opened(root, multi)
    assert ([s.target for s in dataset.samples], dataset.classes) == ([(0, 2), ()], ("a", "b", "c"))
    with pytest.raises(LabelError, match="not a class index"):
        opened(root)
    vectors = table(tmp_path / "v" / "test.parquet", [[0, 1], [1, 1]], datasets.Sequence(datasets.Value("int8"))).parent
    with pytest.raises(LabelError, match="does not say which"):
        opened(vectors, multi, options={"label_column": "label"})


def test_image_files_of_a_folder_are_read_as_they_are(tmp_path: Path) -> None:
    files = {f"test/{name}/{i}.png": image_bytes(i) for i, name in enumerate(("cat", "dog"))}
    dataset = opened(write_folder(tmp_path, files))
    assert contents(dataset) == [("0", 0, image_bytes(0)), ("1", 1, image_bytes(1))]
    assert dataset.classes == ("cat", "dog")
    before = dataset.state()
    os.utime(tmp_path / "test" / "cat" / "0.png", ns=(1, 1))
    assert dataset.state() != before


def test_data_files_name_what_is_fetched(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "set"
    table(root / "eval" / "part-0.parquet", [1], class_label("cat", "dog"))
    table(root / "big" / "part-0.parquet", [0], class_label("cat", "dog"))
    hub.repo("org/odd").commit(tree(root))
    dataset = opened("org/odd", options={"data_files": "eval/*.parquet"})
    assert [sample.target for sample in dataset.samples] == [1]
    assert hub.fetched() == ["eval/part-0.parquet"]
    with pytest.raises(DataError, match="data_files: nothing matches 'evil/"):
        opened("org/odd", options={"data_files": ["evil/*.parquet"]})


def test_an_empty_cell_is_a_bad_sample(tmp_path: Path) -> None:
    cells: list[object] = [{"bytes": image_bytes(0), "path": None}, None]
    dataset = opened(table(tmp_path / "test.parquet", [0, 1], class_label("a", "b"), cells).parent)
    assert dataset.read(0) == image_bytes(0)
    with pytest.raises(BadSampleError, match="its 'img' is empty"):
        dataset.read(1)


def test_a_file_that_vanished_is_a_bad_sample(tmp_path: Path) -> None:
    files = {"test/cat/0.png": image_bytes(0), "test/dog/1.png": image_bytes(1)}
    dataset = opened(write_folder(tmp_path, files))
    (tmp_path / "test" / "dog" / "1.png").unlink()
    with pytest.raises(BadSampleError, match="'1': cannot be read"):
        dataset.read(1)
