"""Roots that hold splits are refused with a command that works; class folders that sound like splits are not."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from data.layouts import image_bytes, write_folder
from said import remarked

from vlmbench.catalogue import named_tasks
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.formats.split_folders import split_of
from vlmbench.data.open import open_source
from vlmbench.errors import DataError, MissingDataError


def opened(argument: str, context: SourceContext | None = None) -> ImageDataset:
    """As ``-t`` opens it."""
    (card,) = named_tasks(argument).cards
    dataset, _ = remarked(lambda: open_source(card.sources[0], context or SourceContext()))
    return dataset


def layout(root: Path, *folders: str, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    return write_folder(root, {f"{folder}/{name}/1.png": image_bytes(1) for folder in folders for name in classes})


@pytest.mark.parametrize(
    ("folders", "named"),
    [
        (("train", "val"), "val"),
        (("train", "val", "test"), "test"),
        (("training", "validation"), "validation"),
        (("Train", "Test"), "Test"),
        (("train_images", "test_images"), "test_images"),
        (("train2017", "val2017"), "val2017"),
        (("images_train", "images_dev"), "images_dev"),
        (("TrainSet", "ValidSet"), "ValidSet"),
        (("seg_train/seg_train", "seg_test/seg_test"), "seg_test/seg_test"),
        (("train",), "train"),
        (("train", "test", "images to predict"), "test"),
        (("my data/train", "my data/val"), "my data/val"),
        (("train", "valid", "annotations"), "valid"),
    ],
)
def test_splits_are_refused_with_the_argument_that_names_one(
    folders: tuple[str, ...], named: str, tmp_path: Path
) -> None:
    root = layout(tmp_path / "a root", *folders)
    write_folder(root, {"__MACOSX/x": b"", "readme.txt": b""})
    with pytest.raises(DataError, match=r"holds (a split|splits) of a dataset, not class folders: ") as raised:
        opened(f"imagefolder:{root}")
    assert raised.value.hint is not None
    arguments = [shlex.split(found)[0] for found in re.findall(r"-t ('[^']*'|\S+?)[ .]", raised.value.hint)]
    assert arguments[0] == f"imagefolder:{root}/{named}"
    for argument in arguments:
        assert opened(argument).classes == ("cat", "dog")


def test_a_split_without_class_folders_is_not_offered(tmp_path: Path) -> None:
    root = write_folder(layout(tmp_path / "root", "train"), {"test/1.png": image_bytes(1)})
    with pytest.raises(DataError, match=r"test and train\nName the split: -t \S+/train\. In a card"):
        opened(f"imagefolder:{root}")
    flat = write_folder(tmp_path / "flat", {"train/1.png": b"", "test/1.png": b""})
    with pytest.raises(DataError, match="None of these folders holds class folders"):
        opened(f"imagefolder:{flat}")


def test_a_relative_location_stays_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layout(tmp_path, "root/train", "root/val"))
    with pytest.raises(DataError, match="-t imagefolder:root/val or -t imagefolder:root/train"):
        opened("imagefolder:root/")
    with pytest.raises(DataError, match=r"In a card's source, it is `split: val`"):
        opened("imagefolder:root", SourceContext(class_names=("cat", "dog")))
    with pytest.raises(DataError, match="-t frames:root/val"):
        opened("frames:root")
    with pytest.raises(MissingDataError):
        opened("imagefolder:root/dev")


def test_classes_that_sound_like_splits_are_classes(tmp_path: Path) -> None:
    others = tuple(f"thing {letter}" for letter in "abcdefghijklmnopqrst")
    root = write_folder(tmp_path / "one", {f"{name}/1.png": image_bytes(1) for name in ("test", *others)})
    assert len(opened(f"imagefolder:{root}").classes or ()) == 21
    vehicles = write_folder(tmp_path / "two", {f"{name}/1.png": b"" for name in ("train", "bus", "test tube")})
    assert opened(f"imagefolder:{vehicles}").classes == ("bus", "test tube", "train")
    both = write_folder(tmp_path / "three", {f"{name}/{name}/1.png": b"" for name in ("train", "dev", "bus")})
    assert opened(f"imagefolder:{both}").classes == ("bus", "dev", "train")
    assert opened(f"imagefolder:{layout(tmp_path / 'four', 'one', 'two')}").classes == ("one", "two")


@pytest.mark.parametrize("kind", ["imagefolder", "frames"])
@pytest.mark.parametrize(("below", "beside"), [("Pet Images", ()), ("images", ("parts/x.txt",)), ("a/b", ("c/x.txt",))])
def test_one_folder_with_all_classes_inside_is_named(
    below: str, beside: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    name = "1.png" if kind == "imagefolder" else "clip/1.png"
    files = {f"{below}/{label}/{name}": image_bytes(1) for label in ("cat", "dog")}
    write_folder(tmp_path, {**files, **dict.fromkeys(beside, b"x"), "readme.txt": b""})
    with pytest.raises(DataError, match=f"all samples are in the folder {below}; its 2 folders") as raised:
        opened(f"{kind}:{tmp_path}")
    argument = shlex.split((raised.value.hint or "").removesuffix("."))[-1]
    assert opened(argument).classes == ("cat", "dog")


def test_one_class_with_folders_inside_is_a_class_if_a_card_says_so(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat/a/1.png": image_bytes(1), "cat/b/1.png": image_bytes(1), "dog/x.txt": b""})
    assert opened(f"imagefolder:{tmp_path}", SourceContext(class_names=("cat", "dog"))).classes == ("cat", "dog")


def test_a_card_that_names_its_folders_so_is_believed(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"train/1.png": b"", "test/1.png": b""})
    assert opened(f"imagefolder:{root}", SourceContext(class_names=("test", "train"))).classes == ("test", "train")


@pytest.mark.parametrize(
    "folders",
    [("images", "masks"), ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets"), ("img", "labels")],
)
def test_images_and_what_is_beside_them_are_no_classes(folders: tuple[str, ...], tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {f"{name}/{i}.png": image_bytes(i) for name in folders for i in range(2)})
    with pytest.raises(DataError, match="images and their annotations") as raised:
        opened(f"imagefolder:{root}")
    assert f"-t masks:{root}" in str(raised.value.hint) and f"-t boxes:{root}" in str(raised.value.hint)
    context = SourceContext(class_names=tuple(sorted(folders)))
    assert len(opened(f"imagefolder:{root}", context).samples) == 2 * len(folders)


def test_a_table_above_the_splits_is_no_image_of_a_class(tmp_path: Path) -> None:
    root = layout(tmp_path / "unpacked", "archive/train", "archive/test")
    write_folder(root, {"archive/train.csv": b"", "__MACOSX/archive/._train.csv": b""})
    with pytest.raises(DataError, match="holds splits") as raised:
        opened(f"imagefolder:{root}")
    assert f"-t imagefolder:{root}/archive/test" in str(raised.value.hint)


@pytest.mark.parametrize("name", ["bus", "test pieces", "trainers", "value", "images", "2017", "", "train test"])
def test_other_words_are_no_splits(name: str) -> None:
    assert split_of(name) is None
