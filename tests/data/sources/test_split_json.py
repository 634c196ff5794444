"""CoOp's split files: what an entry means, where its image lies, and files that fit neither card nor folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data.layouts import contents, image_bytes, named, write_folder

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_source
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import MISSING_IMAGES, WARNING

CAR, CHURCH = "2012 Acura TL", "indoor church"
SPLITS: dict[str, Any] = {
    "train": [["b/2.jpg", 1, CHURCH], ["a/1.jpg", 0, CAR]],
    "val": [["a/3.jpg", 0, CAR], ["b/4.jpg", 1, CHURCH]],
    "test": [["a/5.jpg", 0, CAR], ["b/6.jpg", 1, CHURCH]],
}
NAMES = ("Church_Indoor", "Acura TL 2012")


def made(root: Path, splits: object = SPLITS, images: str = "images") -> Path:
    paths = [row[0] for rows in SPLITS.values() for row in rows]
    write_folder(root / images, {path: image_bytes(number) for number, path in enumerate(paths)})
    text = splits if isinstance(splits, str) else json.dumps(splits)
    return write_folder(root, {"split.json": text.encode()})


def opened(
    root: Path, context: SourceContext | None = None, split: str | None = "train", **options: object
) -> ImageDataset:
    spec = SourceSpec(
        kind="split-json",
        location=str(root / "split.json"),
        split=split,
        options={"images": "images", **options},
    )
    return open_source(spec, context or SourceContext())


def test_a_split_is_read_in_its_order(tmp_path: Path) -> None:
    root = made(tmp_path)
    dataset = opened(root)
    assert dataset.classes == (CAR, CHURCH) and dataset.info.split == "train"
    assert contents(dataset) == [("b/2.jpg", 1, image_bytes(0)), ("a/1.jpg", 0, image_bytes(1))]
    assert [sample.id for sample in opened(root, split="val").samples] == ["a/3.jpg", "b/4.jpg"]
    assert [sample.id for sample in opened(root, split=None).samples] == ["a/5.jpg", "b/6.jpg"]


def test_a_class_is_found_among_the_card_s_by_its_words(tmp_path: Path) -> None:
    dataset = opened(made(tmp_path), named(*NAMES))
    assert dataset.classes == NAMES
    assert [(sample.id, sample.target) for sample in dataset.samples] == [("b/2.jpg", 0), ("a/1.jpg", 1)]
    together = opened(tmp_path, named("INDOORCHURCH", NAMES[1]))
    assert [sample.target for sample in together.samples] == [0, 1]


def test_words_that_two_classes_share_decide_nothing(tmp_path: Path) -> None:
    splits = {"train": [["a/1.jpg", 0, "b a"], ["b/2.jpg", 1, "a c b"]]}
    with pytest.raises(LabelError, match="only in the file: a c b"):
        opened(made(tmp_path, splits), named("b a", "a b c", "c b a"))


def test_a_card_may_rename_the_classes_in_the_file_s_order(tmp_path: Path) -> None:
    made(tmp_path)
    dataset = opened(tmp_path, named("limousine", "chapel"), class_names="card")
    assert [sample.target for sample in dataset.samples] == [1, 0]
    with pytest.raises(LabelError, match="in another order"):
        opened(tmp_path, named(CHURCH, CAR), class_names="card")
    with pytest.raises(UsageError, match="can only be card"):
        opened(tmp_path, named(*NAMES), class_names="mine")


@pytest.mark.parametrize("images", ["images", "elsewhere"])
def test_the_images_may_lie_in_one_of_several_folders(images: str, tmp_path: Path) -> None:
    assert opened(made(tmp_path, images=images), images=["images", "elsewhere"]).read(0) == image_bytes(0)


def test_images_that_are_not_there(tmp_path: Path) -> None:
    root = made(tmp_path)
    with pytest.raises(DataError, match=r"none of the 2 images") as raised:
        opened(root, images="nowhere")
    assert not isinstance(raised.value, MissingDataError), "the next source of a card is not taken silently"
    with pytest.raises(UsageError, match="`images` must be a folder"):
        opened(root, images=3)
    (root / "images/b/2.jpg").unlink()
    with gathered_remarks(WARNING) as said:
        dataset = opened(root)
    assert [remark.code for remark in said.remarks] == [MISSING_IMAGES.name]
    with pytest.raises(BadSampleError, match="No such file"):
        dataset.read(0)


def test_a_file_or_split_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"split\.json"):
        opened(tmp_path)
    without = {split: rows for split, rows in SPLITS.items() if split != "val"}
    with pytest.raises(DataError, match="has no split 'val'") as raised:
        opened(made(tmp_path, without), split="val")
    assert raised.value.hint == "It has test and train."


@pytest.mark.parametrize("path", ["../split.json", "/etc/hostname", "a/../../x.jpg", "a\0.jpg", " "])
def test_a_path_that_leaves_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not below the folder of images"):
        opened(made(tmp_path, {"train": [["a/1.jpg", 0, CAR], [path, 1, CHURCH]]}))


@pytest.mark.parametrize(
    ("splits", "error", "message"),
    [
        ("{", DataError, "is not JSON"),
        ("[" * 100_000, DataError, "is not JSON"),
        ([["a/1.jpg", 0, CAR]], DataError, "is not a file of splits"),
        ({"train": {"a/1.jpg": 0}}, DataError, "is not a file of splits"),
        ({"train": [["a/1.jpg", 0]]}, DataError, r"train\[0\] is \['a/1\.jpg', 0\], not"),
        ({"train": [["a/1.jpg", "0", CAR]]}, DataError, "not \\[path, label"),
        ({"train": [["a/1.jpg", True, CAR]]}, DataError, "not \\[path, label"),
        ({"train": [["a/1.jpg", 0, " "]]}, DataError, "not \\[path, label"),
        ({"train": [], "val": []}, DataError, "lists no images"),
        ({"train": [], "val": SPLITS["val"]}, DataError, "lists no images under 'train'"),
        ({"train": [*SPLITS["train"], SPLITS["train"][0]]}, DataError, "1 image of 'train' more than once: b/2.jpg"),
        ({"train": [["a/1.jpg", 0, CAR], ["b/2.jpg", 2, CHURCH]]}, LabelError, "no image with label 1"),
        ({"train": [["a/1.jpg", 1, CAR], ["b/2.jpg", 2, CHURCH]]}, LabelError, "no image with label 0"),
        ({"train": [["a/1.jpg", -1, CAR], ["b/2.jpg", 0, CHURCH]]}, LabelError, "no image with label 1"),
        ({"train": [["a/1.jpg", 0, CAR], ["b/2.jpg", 0, CHURCH]]}, LabelError, "label 0 has two names"),
        ({"train": [["a/1.jpg", 0, CAR], ["b/2.jpg", 1, CAR.upper()]]}, LabelError, "1 class name with several labels"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    splits: object, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        opened(made(tmp_path, splits))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((CAR, "abbey"), f"only in the file: {CHURCH}; only in the card: abbey"),
        ((CAR, CHURCH, "abbey"), "its 2 classes are not the card's 3; only in the card: abbey"),
        ((CAR,), f"only in the file: {CHURCH}"),
    ],
)
def test_classes_that_are_not_the_card_s_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=message):
        opened(made(tmp_path), named(*names))


def test_a_task_that_needs_other_targets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="one class, but the task needs captions"):
        opened(made(tmp_path), SourceContext(target="captions"))


def test_the_state_changes_with_the_file_of_splits(tmp_path: Path) -> None:
    before = opened(made(tmp_path)).state()
    assert opened(tmp_path).state() == before
    (tmp_path / "split.json").write_text(json.dumps(SPLITS) + "\n")
    assert opened(tmp_path).state() != before
