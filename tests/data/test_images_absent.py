"""Data whose files list images is opened without the images, if the answers were made elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest

from vlmbench.cards import SourceSpec
from vlmbench.data.base import (
    MayLackImages,
    SourceContext,
    TargetKind,
    content_sha256,
    id_sha256,
    images_absent,
)
from vlmbench.data.open import open_dataset
from vlmbench.errors import DataError, NoImagesError

NAMES = ("cat", "dog")


def _coco(root: Path) -> SourceSpec:
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (root / "annotations.json").write_text(json.dumps(content))
    return SourceSpec(kind="coco", location=str(root), options={"annotations": "annotations.json"})


def _voc(root: Path) -> SourceSpec:
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "test.txt").write_text("1\n")
    for name, flag in zip(NAMES, ("1", "-1"), strict=True):
        (lists / f"{name}_test.txt").write_text(f"1 {flag}\n")
    return SourceSpec(kind="voc", location=str(root))


def _filelist(root: Path) -> SourceSpec:
    (root / "list.txt").write_text("cat/1.jpg\ndog/2.jpg\n")
    return SourceSpec(kind="filelist", location=str(root / "list.txt"))


def _split_json(root: Path) -> SourceSpec:
    (root / "split.json").write_text(json.dumps({"test": [["1.jpg", 0, "cat"], ["2.jpg", 1, "dog"]]}))
    return SourceSpec(kind="split-json", location=str(root / "split.json"))


def _captions(root: Path) -> SourceSpec:
    (root / "captions.csv").write_text("image,caption\n1.jpg,a cat\n2.jpg,a dog\n1.jpg,one cat\n")
    return SourceSpec(kind="captions", location=str(root))


@pytest.mark.parametrize(
    ("write", "target"),
    [(_coco, "boxes"), (_voc, "classes"), (_filelist, "class"), (_split_json, "class"), (_captions, "captions")],
)
def test_listed_images_may_be_absent(write: Callable[[Path], SourceSpec], target: TargetKind, tmp_path: Path) -> None:
    spec = write(tmp_path)
    names = None if target == "captions" else NAMES
    with pytest.raises(DataError) as raised:
        open_dataset([spec], SourceContext(class_names=names, target=target))
    dataset = open_dataset([spec], SourceContext(class_names=names, target=target, images_optional=True))
    assert isinstance(dataset, MayLackImages) and isinstance(dataset.no_images, NoImagesError)
    assert str(dataset.no_images.message).split(":")[-1] in str(raised.value)
    indices = range(len(dataset.samples))
    assert images_absent(dataset, indices) and len({id_sha256(dataset, index) for index in indices}) == len(indices)
    assert (dataset.samples[0].target and dataset.state() == dataset.state()) or dataset.samples[0].target == 0


def test_one_image_that_is_there_is_enough_not_to_be_absent(tmp_path: Path) -> None:
    spec = _captions(tmp_path)
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "2.jpg")
    dataset = open_dataset([spec], SourceContext(target="captions", images_optional=True))
    assert isinstance(dataset, MayLackImages) and dataset.no_images is None
    assert not images_absent(dataset, [0, 1]) and images_absent(dataset, [0])
    assert content_sha256(dataset, 1) != id_sha256(dataset, 1)


def test_one_image_behind_the_first_ones_is_enough(tmp_path: Path) -> None:
    """A source looks at the first images only. The remark that none is there must be true."""
    lines = "".join(f"{number}.jpg,number {number}\n" for number in range(40))
    (tmp_path / "captions.csv").write_text(f"image,caption\n{lines}")
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "39.jpg")
    spec = SourceSpec(kind="captions", location=str(tmp_path))
    dataset = open_dataset([spec], SourceContext(target="captions", images_optional=True))
    assert isinstance(dataset, MayLackImages) and dataset.no_images is not None
    assert not images_absent(dataset, range(40)) and images_absent(dataset, range(39))
