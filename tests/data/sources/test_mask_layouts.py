"""Folders of images and masks as people name them: read right, or refused with the way out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from data.layouts import write_folder
from data.mask_files import filled
from data.mask_sets import PICTURE, firsts, ids, opened, pairs, quiet
from said import sentences

from vlmbench.errors import DataError, MissingDataError


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("Images", "Masks"),
        ("image", "mask"),
        ("images", "labels"),
        ("imgs", "annotations"),
        ("img", "gt"),
        ("JPEGImages", "SegmentationClass"),
        ("img_dir", "ann_dir"),
        ("images", "ground_truth"),
        ("train", "train_masks"),
        ("train", "trainannot"),
        ("val_images", "val_labels"),
        ("images_test", "masks_test"),
        ("images/val", "masks/val"),
        ("images/validation", "annotations/val"),
        ("val/images", "val/masks"),
        ("test/image", "test/label"),
        ("leftImg8bit/val", "gtFine/val"),
    ],
)
def test_usual_names_of_folders(images: str, masks: str, tmp_path: Path) -> None:
    dataset = quiet(write_folder(tmp_path / "set", pairs(images, masks)))
    assert ids(dataset) == ["a.jpg", "b.jpg"] and firsts(dataset) == [0, 1]


def test_every_image_format_in_one_folder(tmp_path: Path) -> None:
    """Case 10 of dense: .jpg, .JPG and .png are 30 images, not 10."""
    endings = (".jpg", ".JPG", ".png", ".jpeg", ".webp", ".bmp", ".TIF", ".gif", ".ppm", ".jp2")
    files = {f"images/{i}{ending}": PICTURE for i, ending in enumerate(endings)}
    files |= {f"masks/{i}.png": filled(i % 3) for i in range(len(endings))}
    dataset = quiet(write_folder(tmp_path, files))
    assert ids(dataset) == [f"{i}{ending}" for i, ending in enumerate(endings)]
    assert firsts(dataset) == [i % 3 for i in range(len(endings))]


def test_splits_are_asked_for_by_their_paths(tmp_path: Path) -> None:
    layouts = {
        "by kind": ("images/{}", "masks/{}", "{root}/images/{split}"),
        "by split": ("{}/images", "{}/masks", "{root}/{split}"),
        "joined": ("{}", "{}_labels", "{root}/{split}"),
    }
    for number, (images, masks, path) in enumerate(layouts.values()):
        root = tmp_path / str(number)
        for split, names in (("train", "xyz"), ("val", "ab"), ("test", "c")):
            write_folder(root, pairs(images.format(split), masks.format(split), names))
        with pytest.raises(DataError, match=r"has 3 splits \(.*\), and it is not stated which to use") as refused:
            opened(root)
        named = {split: path.format(root=root, split=split) for split in ("train", "val", "test")}
        assert all(f"-t masks:{each}" in str(refused.value.hint) for each in named.values())
        for location, fields in ((named["val"], {}), (root, {"split": "val"}), (root, {"split": "valid"})):
            dataset = quiet(Path(location), **fields)
            assert ids(dataset) == ["a.jpg", "b.jpg"] and dataset.info.split in ("val", "valid", None)
        with pytest.raises(MissingDataError, match=r"no split 'dev2' in[\s\S]*It has test, train and val\."):
            opened(root, split="dev2")


def test_a_voc_devkit_is_asked_by_its_lists(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "VOC2012", pairs("JPEGImages", "SegmentationClass", "abc"))
    write_folder(
        root,
        {
            "JPEGImages/d.jpg": PICTURE,
            "Annotations/a.xml": b"<x/>",
            "SegmentationObject/a.png": filled(9),
            "ImageSets/Main/val.txt": b"d\n",
            "ImageSets/Segmentation/val.txt": b"c\na\n",
        },
    )
    dataset = quiet(root)
    assert ids(dataset) == ["c.jpg", "a.jpg"] and firsts(dataset) == [2, 0] and dataset.info.split == "val"
    write_folder(root, {"ImageSets/Segmentation/train.txt": b"b\n"})
    with pytest.raises(DataError, match=r"2 splits \(.*train.txt and .*val.txt\)") as refused:
        opened(root)
    command = f"-t masks:{root}/ImageSets/Segmentation/train.txt"
    assert command in str(refused.value.hint)
    assert ids(quiet(Path(command.removeprefix("-t masks:")))) == ["b.jpg"]
    assert ids(quiet(root, split="train")) == ["b.jpg"]
    write_folder(root, {"ImageSets/Segmentation/val.txt": b"a\nd\n"})
    with pytest.raises(DataError, match=r"1 of the 2 images listed in .*val.txt has no mask file in .*: d.png"):
        opened(root, split="val")


def test_a_folder_around_the_dataset_names_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "download/archive", pairs("images", "masks"))
    command = re.escape(f"-t masks:{tmp_path}/download/archive")
    with pytest.raises(MissingDataError, match=rf"it holds archive/ \(2 .jpg, 2 .png\)\n.*{command}"):
        opened(tmp_path / "download")


def test_what_was_found_is_said(tmp_path: Path) -> None:
    write_folder(tmp_path, {f"images/{i}.jpg": PICTURE for i in range(3)})
    write_folder(tmp_path, {"labels/0.txt": b"0 0.5 0.5 1 1", "labels/1.txt": b"", "README.md": b"", "data.yaml": b""})
    message = (
        r"no folder of images with a folder of masks beside it; it holds images/ \(3 \.jpg\), labels/ \(2 \.txt\), "
        r"1 \.\w+, 1 \.\w+ directly in it\nExpected: images/"
    )
    with pytest.raises(MissingDataError, match=message):
        opened(tmp_path)
    with pytest.raises(MissingDataError, match="not found at"):
        opened(tmp_path / "nowhere")


def test_several_folders_of_masks_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {**pairs("images", "labels"), **pairs("images", "gt")})
    with pytest.raises(DataError, match=r"several folders .*: images/ with gt/ and images/ with labels/\n.*masks: …"):
        opened(root)
    assert firsts(quiet(write_folder(root, pairs("images", "masks")))) == [0, 1]
    assert firsts(quiet(root, options={"masks": "gt"})) == [0, 1]


def test_names_of_masks_with_an_ending(tmp_path: Path) -> None:
    known = write_folder(tmp_path / "known", pairs("images", "masks", mask="_mask.png"))
    assert firsts(quiet(known)) == [0, 1]
    unknown = write_folder(tmp_path / "unknown", pairs("images", "masks", mask="_depth.png"))
    with pytest.raises(
        DataError,
        match=r"2 of the 2 images .* have no mask, unless .*: _depth.png \(2\)\n.*\{mask_suffix: _depth.png\}",
    ):
        opened(unknown)
    assert firsts(quiet(unknown, options={"mask_suffix": "_depth.png"})) == [0, 1]
    none = write_folder(tmp_path / "none", {**pairs("images", "x"), **pairs("y", "masks", "pq")})
    message = r"such as a.jpg and b.jpg, and 2 masks in \S+, such as p.png and q.png"
    with pytest.raises(DataError, match=message):
        opened(none)


def test_cityscapes_is_asked_for_its_conversion(tmp_path: Path) -> None:
    root = tmp_path / "cityscapes"
    for split in ("train", "val"):
        for name in ("ulm/u_0", "bonn/b_0"):
            write_folder(root, {f"leftImg8bit/{split}/{name}_leftImg8bit.png": PICTURE})
            for kind, value in (("color", 3), ("labelIds", 7), ("labelTrainIds", 0), ("instanceIds", 9)):
                write_folder(root, {f"gtFine/{split}/{name}_gtFine_{kind}.png": filled(value)})
            write_folder(root, {f"gtFine/{split}/{name}_gtFine_polygons.json": b"{}"})
    with pytest.raises(DataError, match=f"-t masks:{root}/leftImg8bit/val"):
        opened(root)
    with pytest.raises(DataError, match=r"2 images have several masks[\s\S]*_gtFine_labelIds.png \(2 masks\)"):
        opened(root / "leftImg8bit/val")
    options = {
        "images": "leftImg8bit/val",
        "masks": "gtFine/val",
        "image_suffix": "_leftImg8bit.png",
        "mask_suffix": "_gtFine_labelTrainIds.png",
    }
    dataset = quiet(root, options=options)
    assert firsts(dataset) == [0, 0], "what else Cityscapes has of an image is left by choice, without a remark"
    write_folder(root, {"gtFine/val/ulm/stranger_gtFine_labelTrainIds.png": filled(0), "gtFine/val/notes.txt": b""})
    said = sentences(lambda: opened(root, options=options))
    assert len(said) == 1 and "2 files of" in said[0] and "1 without an image" in said[0]


def test_images_in_the_folder_above_their_masks(tmp_path: Path) -> None:
    root = write_folder(
        tmp_path, {"a.jpg": PICTURE, "b.jpg": PICTURE, "masks/a.png": filled(0), "masks/b.png": filled(1)}
    )
    assert firsts(quiet(root, options={"images": ".", "masks": "masks"})) == [0, 1]
    both = {"images": ".", "masks": ".", "image_suffix": ".jpg", "mask_suffix": "_x.png"}
    same = write_folder(tmp_path / "same", {"a.jpg": PICTURE, "a_x.png": filled(2)})
    assert firsts(quiet(same, options=both)) == [2]
