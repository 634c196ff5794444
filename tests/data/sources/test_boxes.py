"""Boxes in the layouts of annotation tools: read right, told apart by what lies there, counted, or refused."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from data.box_layouts import CLASSES, LAYOUTS, NAMES, OBJECTS, SIZE, images, labelme, voc, write_layout, yolo
from data.box_sets import opened, refusal, said_of
from data.layouts import image_bytes, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from said import remarked

from vlmbench.catalogue import find_tasks
from vlmbench.data.base import Box, ImageDataset
from vlmbench.data.boxes import BoxDataset
from vlmbench.errors import LabelError, MissingDataError, UsageError


def found_in(dataset: ImageDataset) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    assert dataset.classes is not None
    return {
        Path(sample.id).stem: [
            (dataset.classes[box.label], tuple(round(side, 6) for side in box.xywh))
            for box in sample.target  # type: ignore[union-attr]
            if isinstance(box, Box)
        ]
        for sample in dataset.samples
    }


EXPECTED = {name: [(label, tuple(map(float, box))) for label, box in own] for name, own in OBJECTS.items()}


@pytest.mark.parametrize("kind", ["boxes", "coco"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_the_same_boxes_and_no_remark(name: str, kind: str, tmp_path: Path) -> None:
    dataset, said = remarked(lambda: opened(write_layout(name, tmp_path), kind=kind))
    assert found_in(dataset) == EXPECTED and not said, [remark.sentence for remark in said]
    assert dataset.read(0) == image_bytes(0, size=SIZE)
    assert isinstance(dataset, BoxDataset) and dataset.facts.image_ids == (1, 2, 3)


@pytest.mark.parametrize("name", LAYOUTS)
def test_pycocotools_reads_the_same_from_a_conversion_by_hand(name: str, tmp_path: Path) -> None:
    dataset = opened(write_layout(name, tmp_path))
    assert isinstance(dataset, BoxDataset)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(LAYOUTS["CVAT, COCO"][1]()["annotations/instances_default.json"])
        truth.createIndex()
    names = {category["id"]: category["name"] for category in truth.dataset["categories"]}
    for sample, image_id in zip(dataset.samples, dataset.facts.image_ids, strict=True):
        theirs = truth.loadAnns(truth.getAnnIds(imgIds=[image_id]))
        assert [(names[entry["category_id"]], entry["bbox"], entry["area"]) for entry in theirs] == [
            (dataset.classes[box.label], pytest.approx(box.xywh), pytest.approx(box.area))  # type: ignore[union-attr, index]
            for box in sample.target  # type: ignore[union-attr]
        ]


@pytest.mark.parametrize("name", [name for name, (below, _) in LAYOUTS.items() if below not in ("", "images")])
def test_a_root_of_several_splits_names_the_commands(name: str, tmp_path: Path) -> None:
    below = write_layout(name, tmp_path)
    message = refusal(tmp_path)
    assert "holds several splits" in message and f"-t boxes:{below}" in message
    assert found_in(opened(below)) == found_in(opened(tmp_path, split=below.name)) == EXPECTED


def test_a_task_is_made_of_a_path(tmp_path: Path) -> None:
    for name in ("boxes", "coco", "detection"):
        (card,) = find_tasks(f"{name}:{tmp_path}")
        assert card.plugin == "detection" and card.sources[0].kind in ("boxes", "coco")


def test_a_card_finds_its_classes_by_name_in_any_layout(tmp_path: Path) -> None:
    for number, name in enumerate(LAYOUTS):
        root = write_layout(name, tmp_path / str(number))
        dataset = opened(root, ("Potted_Plant", "cat", "dog"))
        assert found_in(dataset) == EXPECTED and dataset.classes == ("potted plant", "cat", "dog")
        with pytest.raises(LabelError, match="not in the data: horse"):
            opened(root, ("horse", *NAMES))
        assert len(found_in(opened(root, ("cat",), other_classes="drop", empty_images="drop"))) == 2


def test_a_voc_folder_of_another_split_is_named_by_its_list(tmp_path: Path) -> None:
    root = write_layout("CVAT, VOC", tmp_path)
    (root / "ImageSets/Main/default.txt").unlink()
    for name, content in {"train": "a\n", "val": "b\nc\n", "cat_val": "b -1\nc 1\n"}.items():
        (root / f"ImageSets/Main/{name}.txt").write_text(content)
    message = refusal(root)
    assert "several splits: train and val" in message and f"-t boxes:{root}/ImageSets/Main/val.txt" in message
    for dataset in (opened(root / "ImageSets/Main/val.txt"), opened(root, split="val")):
        assert list(found_in(dataset)) == ["b", "c"]
    (root / "ImageSets/Main/train.txt").unlink()
    dataset, (said,) = remarked(lambda: opened(root))
    assert list(found_in(dataset)) == ["b", "c"] and said.count == 1 and "1 not listed in val.txt" in said.sentence
    (root / "ImageSets/Main/val.txt").write_text("b\nz\n")
    assert "1 of the 2 images that it lists is missing: z" in refusal(root)


def test_a_devkit_of_several_years_is_several_datasets(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        root = write_layout("CVAT, VOC", tmp_path / "the devkit" / year)
        (root / "ImageSets/Main/default.txt").rename(root / "ImageSets/Main/val.txt")
        write_folder(root, {f"{name}/a.png": image_bytes(1) for name in ("SegmentationClass", "SegmentationObject")})
    devkit = tmp_path / "the devkit"
    file = devkit / "VOC2012/ImageSets/Main/val.txt"
    message = refusal(devkit)
    assert "holds several datasets: VOC2007/ImageSets/Main/val.txt" in message and f"-t 'boxes:{file}'" in message
    dataset, said = remarked(lambda: opened(file))
    assert found_in(dataset) == EXPECTED and not said, [remark.sentence for remark in said]


# What lies beside: every file is read, counted or refused.


def test_images_without_labels_and_labels_without_images_are_counted(tmp_path: Path) -> None:
    for name, suffix in {"Kaggle, VOC": "xml", "LabelMe": "json"}.items():
        root = write_layout(name, tmp_path / suffix)
        next(root.rglob(f"a.{suffix}")).unlink()
        next(root.rglob("b.png")).unlink()
        (root / "notes.docx").write_bytes(b"")
        (root / ".hidden.png").write_bytes(b"")
        dataset, said = remarked(lambda: opened(root))  # noqa: B023
        assert list(found_in(dataset)) == ["c"]
        left = "1 of labels without an image; " if suffix == "xml" else ""
        assert [remark.count for remark in said] == [4] and f"(1 hidden; {left}1 without a label file" in said[0].text


def test_a_yolo_image_without_a_label_file_is_background(tmp_path: Path) -> None:
    root = write_layout("Label Studio, YOLO", tmp_path)
    (root / "labels/a.txt").unlink()
    (root / "labels/b.txt").write_text("")
    dataset, said = remarked(lambda: opened(root))
    assert found_in(dataset) == {"a": [], "b": [], "c": EXPECTED["c"]} and not said
    (root / "labels/b.txt").unlink()
    (remark,) = remarked(lambda: opened(root))[1]
    assert (remark.code, remark.count, remark.examples) == ("unlabelled-images", 2, ("images/a.png", "images/b.png"))
    (root / "labels/z.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert "1 of labels without an image" in said_of(root)[1]


def test_a_label_file_may_name_its_image(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {**images("images/{}.png"), **voc("Annotations/task-1-{}.xml")})
    assert found_in(opened(root)) == EXPECTED and not said_of(root)
    root = write_folder(tmp_path / "b", {**images("images/{}.png"), **labelme("labels/{}_done.json")})
    assert "no annotations of boxes, but 3 images and 3 other .json" in refusal(root)


def test_images_of_any_suffix_and_case(tmp_path: Path) -> None:
    root = write_layout("Kaggle, VOC", tmp_path)
    Image.open(root / "images/a.png").save(root / "images/a.WEBP", format="WEBP")
    (root / "images/a.png").unlink()
    (root / "images/b.png").rename(root / "images/b.PNG")
    assert [sample.id for sample in opened(root).samples] == ["images/a.WEBP", "images/b.PNG", "images/c.png"]
    (root / "images/b.jpg").write_bytes(image_bytes(0, "JPEG"))
    assert "images/b.PNG and images/b.jpg would have the same label file" in refusal(root)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (lambda: images("{}.png"), "no annotations of boxes, but 3 images"),
        (lambda: {**images("{}.png"), "annotations.xml": b"<annotations/>"}, "3 images and 1 other .xml"),
        (lambda: {**images("{}.png"), **yolo("{}.txt")}, "number the classes, but no file names them"),
        (
            lambda: {**images("{}.png"), **yolo("{}.txt"), **voc("{}.xml"), "classes.txt": CLASSES},
            "several formats: 3 images, 3 files of YOLO text and 3 files of VOC XML",
        ),
        (
            lambda: {**images("{}.png"), **yolo("{}.txt"), "classes.txt": CLASSES, "data.yaml": b"names: [x]"},
            "names the classes",
        ),
        (lambda: yolo("{}.txt") | {"classes.txt": CLASSES}, "no annotations of boxes, but 0 images"),
    ],
)
def test_what_was_found_is_said(files: Any, message: str, tmp_path: Path) -> None:
    write_folder(tmp_path, files())
    assert message in refusal(tmp_path)


def test_the_format_of_several_may_be_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {**images("{}.png"), **yolo("{}.txt"), **voc("{}.xml"), "classes.txt": CLASSES})
    for format_ in ("xml", "txt"):
        dataset, (said,) = remarked(lambda: opened(tmp_path, format=format_))  # noqa: B023
        assert found_in(dataset) == EXPECTED and (said.code, said.count) == ("files-passed-over", 3)
    with pytest.raises(UsageError, match="may be xml, txt or json"):
        opened(tmp_path, format="yolo")


def test_files_that_are_no_folder(tmp_path: Path) -> None:
    archive = tmp_path / "set.zip"
    archive.write_bytes(b"PK")
    assert "is an archive" in refusal(archive) and "Unpack it" in refusal(archive)
    root = write_layout("LabelImg, YOLO", tmp_path / "set")
    (root / "data.yaml").write_text("names: [cat, dog, potted plant]")
    assert found_in(opened(root / "data.yaml")) == EXPECTED
    with pytest.raises(MissingDataError):
        opened(tmp_path / "nowhere")


# One file of a kind.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 0.5 0.5 0.1 0.1", "3 is not one of 0 to 2"),
        ("-1 0.5 0.5 0.1 0.1", "-1 is not one"),
        ("cat 0.5 0.5 0.1 0.1", "'cat' is not a number"),
        ("1.5 0.5 0.5 0.1 0.1", "1.5 is not one"),
        ("0 20 16 4 4", "20 is not between 0 and 1"),
        ("0 0.5 0.5 0.1", "3 numbers after the class are neither a box nor a polygon"),
        ("0 0.5 0.5 0.1 0.1 0.9", "a model's prediction with its score"),
        ("0 nan 0.5 0.1 0.1", "not finite"),
        ("0 0.5 0.5 0.1 0.1 0.2 0.2 0.3", "7 numbers after the class"),
    ],
)
def test_lines_that_are_no_objects(line: str, message: str, tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path)
    (root / "a.txt").write_text(f"\n0 0.5 0.5 0.1 0.1\n{line}\n")
    found = refusal(root)
    assert message in found and f"{root / 'a.txt'}: line 3" in found


def test_polygons_and_keypoints_have_a_box(tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path)
    (root / "a.txt").write_text("1 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75\n")
    assert found_in(opened(root))["a"] == [("dog", (10.0, 8.0, 20.0, 16.0))]
    (root / "classes.txt").unlink()
    (root / "data.yaml").write_text("names: {0: cat, 1: dog, 2: potted plant}\nkpt_shape: [2, 2]\n")
    (root / "a.txt").write_text("1 0.5 0.5 0.5 0.5 0.1 0.2 0.3 0.4\n")
    assert found_in(opened(root))["a"] == [("dog", (10.0, 8.0, 20.0, 16.0))]


def test_yolo_boxes_are_of_the_image_as_it_is_shown(tmp_path: Path) -> None:
    """A phone's picture, stored on its side: tools show it upright, and boxes are parts of that."""
    root = write_layout("LabelImg, YOLO", tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    (root / "a.png").unlink()
    Image.new("RGB", (60, 20)).save(root / "a.jpg", exif=exif)
    (root / "a.txt").write_text("0 0.5 0.5 1 0.5\n")
    dataset = opened(root)
    assert found_in(dataset)["a"] == [("cat", (0.0, 15.0, 20.0, 30.0))]
    assert isinstance(dataset, BoxDataset) and dataset.facts.sizes is not None and dataset.facts.sizes[0] == (20, 60)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("names: [cat, dog]\nnc: 3", "states 3 classes (nc), but names 2"),
        ("names: {0: cat, 2: dog}", "numbered 0 and 2, not 0 to 1"),
        ("names: [cat, yes, x]", "the name of class 1 is True"),
        ("names: []", "names no class"),
        ("names: 3", "must be a list, not 3"),
        ("names: [", "is not valid YAML"),
        ("names: [cat, cat, dog]", "several categories of"),
    ],
)
def test_names_that_are_none(names: str, message: str, tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path)
    (root / "classes.txt").unlink()
    (root / "data.yaml").write_text(names)
    assert message in refusal(root)


def test_a_number_may_be_a_name(tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path)
    (root / "classes.txt").unlink()
    (root / "data.yaml").write_text("names: [0, 1.5, x]")
    assert opened(root).classes == ("0", "1.5", "x")


def test_a_broken_image_with_relative_boxes_stays_for_its_reader_to_refuse(tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path)
    (root / "a.png").write_bytes(b"no picture")
    dataset = opened(root)
    assert len(found_in(dataset)["a"]) == 2 and dataset.read(0) == b"no picture"
    assert found_in(dataset)["b"] == EXPECTED["b"] and not said_of(root)


def test_a_yaml_of_other_things_is_passed_over(tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path)
    (root / "hyper.yaml").write_text("lr0: 0.01")
    assert "1 .yaml" in said_of(root)[0]
    assert found_in(opened(root)) == EXPECTED


def test_shapes_of_labelme(tmp_path: Path) -> None:
    root = write_layout("LabelMe", tmp_path)
    content = json.loads((root / "a.json").read_text())
    content["shapes"] = [
        {"label": "cat", "shape_type": "polygon", "points": [[10, 4], [20, 9], [12, 30]]},
        {"label": "dog", "shape_type": "circle", "points": [[20, 16], [23, 20]]},
        {"label": "dog", "shape_type": "point", "points": [[3, 3]]},
        {"label": "dog", "shape_type": "linestrip", "points": [[3, 3], [9, 9]]},
    ]
    (root / "a.json").write_text(json.dumps(content))
    dataset, (said,) = remarked(lambda: opened(root))
    assert found_in(dataset)["a"] == [("cat", (10.0, 4.0, 10.0, 26.0)), ("dog", (15.0, 11.0, 10.0, 10.0))]
    assert (said.code, said.count, said.examples) == ("empty-regions", 2, ("a.png",))
    for shape, message in (
        ({"label": None, "points": []}, "its label is None"),
        ({"label": "a", "points": [[1, 2]]}, "it has 1 point"),
        ({"label": "a", "points": [[1, "x"], [2, 3]]}, "'x' is not a number"),
        ({"label": "a"}, "points"),
    ):
        content["shapes"] = [shape]
        (root / "a.json").write_text(json.dumps(content))
        assert message in refusal(root)


STRANGERS = {
    "Thumbs.db": b"",
    ".DS_Store": b"",
    "notes.docx": b"",
    "README.md": b"",
    "words.txt": b"a cat",
    "more.json": b"{}",
    "task.xml": b"<task/>",
    "hyper.yaml": b"lr: 1",
    "clip.mp4": b"",
    "__MACOSX/._a.png": b"",
    ".ipynb_checkpoints/a.png": b"",
    "@eaDir/a.png@SynoEAStream": b"",
    "deep/er/table.csv": b"",
}


@pytest.mark.parametrize("name", ["LabelImg, YOLO", "Label Studio, YOLO", "LabelImg, VOC", "Kaggle, VOC", "LabelMe"])
@given(chosen=st.sets(st.sampled_from(sorted(STRANGERS))))
@settings(max_examples=15, deadline=None)
def test_strangers_are_counted_one_by_one(name: str, chosen: set[str]) -> None:
    with TemporaryDirectory() as folder:
        root = write_layout(name, Path(folder))
        write_folder(root, {stranger: STRANGERS[stranger] for stranger in chosen})
        dataset, said = remarked(lambda: opened(root))
    assert found_in(dataset) == EXPECTED
    assert sum(remark.count for remark in said) == len(chosen)
    assert {remark.code for remark in said} <= {"files-passed-over"}


def test_cvats_own_form_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", {"annotations.xml": b"<annotations/>", "images/1.png": image_bytes(1)})
    assert "CVAT's own form" in refusal(root)
