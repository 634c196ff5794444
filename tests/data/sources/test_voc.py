"""The VOC devkit: several classes an image, objects cut out, and a devkit with something missing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from cards.protocols import CARDS
from data.layouts import image_bytes
from data.voc_files import CLASSES, devkit, object_xml
from PIL import Image
from said import remarked

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, SourceContext, TargetKind
from vlmbench.data.open import open_dataset
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError


def opened(root: Path, card: str = "voc2007-multilabel") -> ImageDataset:
    target: TargetKind = "classes" if CARDS[card].multi_label else "class"
    return open_dataset(
        CARDS[card].sources, SourceContext(data_root=root, class_names=CLASSES, target=target, offline=True)
    )


def test_difficult_objects_are_present_as_on_the_hub(tmp_path: Path) -> None:
    devkit(tmp_path)
    dataset = opened(tmp_path)
    assert [(sample.id, sample.target) for sample in dataset.samples] == [
        ("JPEGImages/000001.jpg", (CLASSES.index("dog"), CLASSES.index("person"))),
        ("JPEGImages/000002.jpg", (CLASSES.index("tvmonitor"),)),
        ("JPEGImages/000003.jpg", ()),
    ]
    assert dataset.classes == CLASSES and dataset.info.split == "test"
    assert dataset.read(0) == image_bytes(1, "JPEG")


def test_objects_are_cut_out_as_clip_benchmark_does_it(tmp_path: Path) -> None:
    dataset = opened(devkit(tmp_path), "voc2007-objects")
    assert [(sample.id, CLASSES[sample.target]) for sample in dataset.samples] == [  # type: ignore[index]
        ("000001/2,1,8,6/0", "dog"),
        ("000001/1,1,12,9/1", "person"),
        ("000002/3,2,5,9/2", "tvmonitor"),
    ]
    photograph = np.asarray(Image.open(io.BytesIO(image_bytes(1, "JPEG"))).convert("RGB"))
    crop = np.asarray(Image.open(io.BytesIO(dataset.read(0))))
    assert np.array_equal(crop, photograph[1:6, 2:8])
    states = {dataset.state(), opened(tmp_path, "voc2007-objects").state()}
    (tmp_path / "JPEGImages/000001.jpg").write_bytes(b"")
    assert len(states) == 1 and dataset.state() not in states
    with pytest.raises(BadSampleError, match=r"000001/2,1,8,6/0.*empty"):
        dataset.read(0)


def test_a_box_of_no_size_is_a_bad_sample(tmp_path: Path) -> None:
    devkit(tmp_path)
    (tmp_path / "Annotations/000003.xml").write_text(f"<annotation>{object_xml('cat', (3, 3, 3, 9))}</annotation>")
    with pytest.raises(BadSampleError, match=r"its box \(3, 3, 3, 9\) is empty"):
        opened(tmp_path, "voc2007-objects").read(3)


def test_a_devkit_without_the_split_is_missing(tmp_path: Path) -> None:
    lists = devkit(tmp_path / "VOCdevkit/VOC2007") / "ImageSets/Main"
    for name in CLASSES:
        (lists / f"{name}_test.txt").rename(lists / f"{name}_trainval.txt")
    with pytest.raises(MissingDataError, match=r"VOCdevkit/VOC2007/ImageSets/Main/<class>_test\.txt"):
        opened(tmp_path)
    for other in ("eel", "crab"):  # another dataset in VOC's layout
        (lists / f"{other}_test.txt").write_text("000001 1\n")
    with pytest.raises(MissingDataError):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("card", "file", "content", "message"),
    [
        ("voc2007-multilabel", "ImageSets/Main/cat_test.txt", None, "only in one of them: cat"),
        ("voc2007-multilabel", "ImageSets/Main/eel_test.txt", "000001 1", "only in one of them: eel"),
        ("voc2007-multilabel", "ImageSets/Main/cat_test.txt", "000001 1\n", "does not list the 3 images"),
        ("voc2007-multilabel", "ImageSets/Main/cat_test.txt", "000001 1\n000002 1\n000009 1\n", "does not list"),
        (
            "voc2007-multilabel",
            "ImageSets/Main/cat_test.txt",
            "000001 1\n000002 1\n000003 2\n",
            "000003 has the flag '2'",
        ),
        ("voc2007-multilabel", "ImageSets/Main/cat_test.txt", "000001 1\n000002\n", "line 2 has 1 word, not 2"),
        ("voc2007-multilabel", "ImageSets/Main/test.txt", "", "test.txt is empty"),
        ("voc2007-multilabel", "ImageSets/Main/test.txt", None, "test.txt cannot be read"),
        ("voc2007-objects", "Annotations/000002.xml", None, "000002.xml cannot be read: No such file"),
        ("voc2007-objects", "Annotations/000002.xml", "<annotation>", "000002.xml is damaged"),
        ("voc2007-objects", "Annotations/000002.xml", "<a><object/></a>", "has no name, or no complete box"),
        (
            "voc2007-objects",
            "Annotations/000002.xml",
            f"<a>{object_xml('eel', (1, 1, 2, 2))}</a>",
            "'eel' is not a class",
        ),
    ],
)
def test_what_is_missing_or_damaged_is_said(
    card: str, file: str, content: str | None, message: str, tmp_path: Path
) -> None:
    devkit(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=message) as raised:
        opened(tmp_path, card)
    assert not isinstance(raised.value, MissingDataError)


def test_images_must_be_there(tmp_path: Path) -> None:
    (devkit(tmp_path) / "JPEGImages").rename(tmp_path / "Images")
    with pytest.raises(DataError, match="no folder JPEGImages"):
        opened(tmp_path)


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    (spec,) = [spec for spec in CARDS["voc2007-multilabel"].sources if spec.kind == "voc"]
    devkit(tmp_path)
    with pytest.raises(LabelError, match="it has no captions"):
        open_dataset([spec], SourceContext(data_root=tmp_path, target="captions"))
    with pytest.raises(UsageError, match="unknown option"):
        open_dataset([spec.model_copy(update={"options": {"difficult": "absent"}})], SourceContext(data_root=tmp_path))
    assert open_dataset([spec], SourceContext(data_root=tmp_path, target="classes")).classes == CLASSES


def boxes_of(root: Path, xml: str) -> list[Box]:
    devkit(root)
    (root / "Annotations/000003.xml").write_text(f"<annotation>{xml}</annotation>")
    spec = SourceSpec(kind="voc", location=str(root), split="test")
    dataset = open_dataset([spec], SourceContext(class_names=CLASSES, target="boxes"))
    return [box for box in dataset.samples[2].target if isinstance(box, Box)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "crowd"),
    [
        ("<difficult>1</difficult>", True),
        ("<difficult>\n    1\n  </difficult>", True),
        ("<difficult> True </difficult>", True),
        ("<difficult>1.0</difficult>", True),
        ("<difficult>\n 0 \n</difficult>", False),
        ("<difficult>False</difficult>", False),
        ("<difficult/>", False),
        ("", False),
    ],
)
def test_difficult_between_blanks_and_in_words(written: str, crowd: bool, tmp_path: Path) -> None:
    (box,) = boxes_of(tmp_path, object_xml("\n cat ", (2, 3, 8, 9), written))
    assert box == Box(CLASSES.index("cat"), (1.0, 2.0, 7.0, 7.0), 49.0, crowd, 1)


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (object_xml("cat", (2, 3, 8, 9), "<difficult>-1</difficult>"), "a wrong value of 'difficult': '-1'"),
        (object_xml("cat", (2, 3, 8, 9), "<difficult>maybe</difficult>"), "'maybe' is not a number"),
        (object_xml("cat", (9, 3, 8, 9)), r"object 1 \(cat\) has a box of negative size: xmin 9, ymin 3, xmax 8"),
        (object_xml("cat", ("x", 3, 8, 9)), "'x' is not a number"),  # type: ignore[arg-type]
        (object_xml("cat", ("nan", 3, 8, 9)), "not finite"),  # type: ignore[arg-type]
        (object_xml(" ", (2, 3, 8, 9)), "has no name"),
    ],
)
def test_objects_that_cannot_be_read_name_the_file(xml: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"000003\.xml is damaged: .*{message}"):
        boxes_of(tmp_path, xml)


def test_decimals_in_corners(tmp_path: Path) -> None:
    (box,) = boxes_of(tmp_path, object_xml("cat", (2.5, 3, 8.25, 9)))  # type: ignore[arg-type]
    assert box.xywh == (1.5, 2.0, 6.75, 7.0)


def test_photographs_of_other_suffixes_are_found_by_the_list(tmp_path: Path) -> None:
    devkit(tmp_path)
    (tmp_path / "JPEGImages/000001.jpg").rename(tmp_path / "JPEGImages/000001.JPG")
    (tmp_path / "JPEGImages/000002.jpg").unlink()
    (tmp_path / "JPEGImages/000002.png").write_bytes(image_bytes(2))
    (tmp_path / "JPEGImages/000009.png").write_bytes(image_bytes(9))
    for card in ("voc2007-multilabel", "voc2007-objects"):
        dataset = opened(tmp_path, card)
        assert all(dataset.read(index) for index in range(len(dataset.samples)))
    dataset, said = remarked(lambda: opened(tmp_path))
    assert [sample.id for sample in dataset.samples] == [
        "JPEGImages/000001.JPG",
        "JPEGImages/000002.png",
        "JPEGImages/000003.jpg",
    ]
    assert not said
    (tmp_path / "JPEGImages/000002.png").unlink()
    (remark,) = remarked(lambda: opened(tmp_path))[1]
    assert (remark.code, remark.count, remark.examples) == ("missing-images", 1, ("000002.jpg",))
