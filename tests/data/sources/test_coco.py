"""Boxes from COCO's, LVIS' and VOC's files: found, mapped by name, kept as they are, or refused with a reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from data.coco_files import coco_content, write_coco
from data.layouts import image_bytes
from data.voc_files import CLASSES as VOC_CLASSES
from data.voc_files import devkit
from said import remarked

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, ImageDataset, SourceContext, content_sha256
from vlmbench.data.boxes import BoxDataset, facts_of
from vlmbench.data.open import open_dataset
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError

NAMES = ("cat", "potted plant", "dog")


def opened(root: Path, names: tuple[str, ...] | None = NAMES, location: str = "", **options: Any) -> ImageDataset:
    spec = SourceSpec(kind="coco", location=str(root / location), options=options)
    return open_dataset([spec], SourceContext(class_names=names, target="boxes"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "set", "annotations/instances_val.json", "val", coco_content(NAMES))


def changed(root: Path, change: Any) -> None:
    path = root / "annotations/instances_val.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_boxes_images_and_ids(root: Path) -> None:
    dataset = opened(root)
    assert [sample.id for sample in dataset.samples] == ["a.png", "b.png"], "by id, not in the file's order"
    assert dataset.samples[0].target == (
        Box(0, (2.0, 3.0, 10.0, 8.0), 55.5, False, 11),
        Box(2, (1.0, 1.0, 4.0, 4.0), 16.0, False, 12),
        Box(0, (0.0, 0.0, 30.0, 20.0), 600.0, True, 13),
    )
    assert dataset.samples[1].target == () and dataset.read(0) == image_bytes(0)
    assert dataset.classes == NAMES and isinstance(dataset, BoxDataset)
    assert (dataset.facts.image_ids, dataset.facts.category_ids) == ((4, 9), (3, 5, 7))
    assert facts_of(dataset, 3).absent is None
    assert content_sha256(dataset, 0) != content_sha256(dataset, 1)


def test_labels_follow_names_and_not_places(root: Path) -> None:
    dataset = opened(root, ("Dog", "cat", "potted_plant"))
    assert [box.label for box in dataset.samples[0].target] == [1, 0, 1]  # type: ignore[union-attr]
    assert isinstance(dataset, BoxDataset) and dataset.facts.category_ids == (7, 3, 5)
    assert opened(root, None).classes == NAMES, "the data's own, by id"


def test_categories_that_are_not_the_cards(root: Path) -> None:
    with pytest.raises(LabelError, match=r"not in the data: horse; not in the card: dog"):
        opened(root, ("cat", "potted plant", "horse"))
    with pytest.raises(LabelError, match="not in the card: potted plant"):
        opened(root, ("cat", "dog"))
    dataset = opened(root, ("dog", "cat"), other_classes="drop")
    assert [box.label for box in dataset.samples[0].target] == [1, 0, 1]  # type: ignore[union-attr]
    assert len(opened(root, ("potted plant",), other_classes="drop").samples) == 2
    with pytest.raises(DataError, match="no images with a box of these classes"):
        opened(root, ("potted plant",), other_classes="drop", empty_images="drop")
    assert [s.id for s in opened(root, empty_images="drop").samples] == ["a.png"]
    with pytest.raises(UsageError, match="must be `drop`"):
        opened(root, other_classes="keep")


def test_a_card_may_rename_categories_in_the_order_of_their_ids(root: Path) -> None:
    dataset = opened(root, ("kitten", "flower", "puppy"), class_names="card")
    assert dataset.classes == NAMES
    with pytest.raises(LabelError, match="differ from the card's"):
        opened(root, ("dog", "flower", "kitten"), class_names="card")


def test_names_that_differ_in_case_only_are_found_exactly(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set", "annotations/instances_val.json", "val", coco_content(("Q", "q", "o ")))
    assert [box.label for box in opened(root, ("o ", "q", "Q")).samples[0].target] == [2, 0, 2]  # type: ignore[union-attr]


def outline_alone(content: dict[str, Any]) -> None:
    content["annotations"][0].pop("bbox")


def captions_file(content: dict[str, Any]) -> None:
    content.pop("categories")
    content["annotations"] = [{"id": 1, "image_id": 4, "caption": "A cat."}]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c.pop("images"), DataError, "no list of 'images'"),
        (lambda c: c.pop("annotations"), DataError, "no list of 'annotations'"),
        (lambda c: c.pop("categories"), DataError, "no list of 'categories'"),
        (lambda c: c["annotations"][0].pop("bbox"), DataError, "annotation 11 has no 'bbox'"),
        (lambda c: c["annotations"][0].pop("image_id"), DataError, "no 'image_id'"),
        (lambda c: c["images"][0].pop("id"), DataError, "no 'id'"),
        (lambda c: c["images"][0].pop("file_name"), DataError, "neither 'file_name' nor 'coco_url'"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), DataError, "has a wrong value|no box of four numbers"),
        (lambda c: c["annotations"][0].update(bbox=None), DataError, "has a wrong value|no box of four numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, float("nan"), 4]), LabelError, "not finite"),
        (lambda c: c["annotations"][0].update(area=float("inf")), LabelError, "not finite"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, -3, 4]), LabelError, "negative size"),
        (lambda c: c["annotations"][0].update(image_id=77), LabelError, "image 77, which is not one of"),
        (lambda c: c["annotations"][0].update(category_id=1), LabelError, "category 1, which is not one of"),
        (lambda c: c["images"][0].update(id=4), DataError, "two images have the id 4"),
        (lambda c: c["categories"][0].update(id=3), DataError, "two categories have one id"),
        (lambda c: c["images"][0].update(id="4"), DataError, "whole number"),
        (lambda c: c["images"][0].update(neg_category_ids=3), DataError, "not a list of ids"),
        (lambda c: c["images"][0].update(file_name="./a.png"), DataError, "images 9 and 4 have the same file"),
        (
            lambda c: c["images"][0].update(id=2**63 + 5),
            DataError,
            "'id' is 9223372036854775813, which does not fit into 64 bits",
        ),
        (lambda c: c["categories"][0].update(id=2**64), DataError, "does not fit into 64 bits"),
        (lambda c: c["annotations"][0].update(image_id=2**63), DataError, "'image_id' is 9223372036854775808"),
        (lambda c: c["annotations"][0].update(category_id="3"), DataError, "'category_id' must be a whole number"),
        (lambda c: c["annotations"][0].update(image_id=4.5), DataError, "not 4.5"),
        (lambda c: c.update(annotations=[]), DataError, "2 images and no annotations"),
        (lambda c: c["annotations"][0].update(iscrowd=-1), LabelError, "annotation 11 .*iscrowd -1.*neither 0 nor 1"),
        (lambda c: c["annotations"][0].update(iscrowd="maybe"), LabelError, "'maybe' is not a number"),
        (lambda c: c["annotations"][0].update(iscrowd=float("nan")), LabelError, "not finite"),
        (lambda c: c["annotations"][0].update(area="large"), LabelError, "'large' is not a number"),
        (lambda c: c["annotations"][0].update(bbox="1 2 3 4"), DataError, "has a wrong value|no box of four numbers"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, True, 4]), LabelError, "True is not a number"),
        (lambda c: c["categories"][0].update(name=None), LabelError, "the name of category 7 is None, not a text"),
        (lambda c: c["categories"][0].update(name=True), LabelError, "not a text"),
        (lambda c: c["images"][0].update(width="wide", height=3), DataError, "states an impossible size"),
        (outline_alone, DataError, "only an outline: add the box around it"),
        (captions_file, DataError, "file of captions: use it as -t captions:PATH"),
    ],
)
def test_files_that_are_wrong(root: Path, change: Any, error: type[Exception], message: str) -> None:
    changed(root, change)
    with pytest.raises(error, match=message) as caught:
        opened(root)
    assert "instances_val.json" in str(caught.value)


def test_what_may_be_missing(root: Path) -> None:
    def bare(content: dict[str, Any]) -> None:
        for entry in content["annotations"]:
            for key in ("area", "iscrowd", "id"):
                entry.pop(key)

    changed(root, bare)
    boxes = opened(root).samples[0].target
    assert [(box.area, box.crowd, box.id) for box in boxes] == [(80.0, False, 1), (16.0, False, 2), (600.0, False, 3)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "flag", [lambda crowd: str(crowd), bool, float, lambda crowd: str(bool(crowd)), lambda c: f" {c} "]
)
def test_flags_and_numbers_as_text_are_read(root: Path, flag: Any) -> None:
    before = opened(root).samples

    def as_text(content: dict[str, Any]) -> None:
        for entry in content["annotations"]:
            entry |= {
                "iscrowd": flag(entry["iscrowd"]),
                "area": str(entry["area"]),
                "image_id": float(entry["image_id"]),
            }
            entry["bbox"] = [str(number) for number in entry["bbox"]]
        for entry in content["images"]:
            entry |= {"width": str(entry["width"]), "height": float(entry["height"])}

    changed(root, as_text)
    assert opened(root).samples == before


def test_numbers_may_be_names_and_windows_separators_are_read(root: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["categories"][0]["name"] = 7
        for entry in content["images"]:
            entry["file_name"] = f"val\\{entry['file_name']}"

    changed(root, change)
    dataset = opened(root, None)
    assert dataset.classes == ("cat", "potted plant", "7") and dataset.read(0) == image_bytes(0)


def test_a_blank_name_is_the_cards_matter(root: Path) -> None:
    """One of ODinW's sets has one."""
    changed(root, lambda content: content["categories"][0].update(name="  "))
    assert opened(root, ("cat", "potted plant", "  ")).classes == ("cat", "potted plant", "  ")
    with pytest.raises(LabelError, match=r"a category of .*instances_val\.json has an empty name"):
        opened(root, None)


def test_names_of_one_kind_are_told_apart_by_the_user(root: Path) -> None:
    def alike(content: dict[str, Any]) -> None:
        content["categories"][0]["name"] = "Cat "
        content["categories"][1]["name"] = "dog"

    changed(root, alike)
    (said,) = remarked(lambda: opened(root, None))[1]
    assert (said.code, said.count, said.examples) == ("alike-class-names", 1, ("'cat' and 'Cat '",))


def test_the_results_name_the_files_own_ids(root: Path) -> None:
    def large(content: dict[str, Any]) -> None:
        for entry in content["images"]:
            entry["id"] += 2**62
        for entry in content["annotations"]:
            entry["image_id"] += 2**62
            entry["category_id"] += 2**61
        for entry in content["categories"]:
            entry["id"] += 2**61

    changed(root, large)
    dataset = opened(root)
    assert isinstance(dataset, BoxDataset)
    assert dataset.facts.image_ids == (2**62 + 4, 2**62 + 9) and dataset.facts.category_ids[0] == 2**61 + 3


def test_boxes_outside_their_image_and_of_no_area_stay_as_they_are(root: Path) -> None:
    changed(root, lambda c: c["annotations"][0].update(bbox=[-40, 900, 0, 5], area=0))
    assert opened(root).samples[0].target[0] == Box(0, (-40.0, 900.0, 0.0, 5.0), 0.0, False, 11)  # type: ignore[index]


def test_no_json_and_a_results_file(root: Path) -> None:
    path = root / "annotations/instances_val.json"
    path.write_text("{")
    with pytest.raises(DataError, match="is not valid JSON"):
        opened(root)
    path.write_text("[]")
    with pytest.raises(DataError, match="a file of results"):
        opened(root)


def test_one_image_that_is_missing_and_all_of_them(root: Path) -> None:
    (root / "val/b.png").unlink()
    dataset = opened(root)
    with pytest.raises(BadSampleError, match=r"b\.png"):
        dataset.read(1)
    (root / "val/a.png").unlink()
    with pytest.raises(DataError, match=r"lists 2 images, but the first ones, such as 'a\.png', were not found"):
        opened(root)
    with pytest.raises(DataError, match="not found"):
        opened(root, images="elsewhere")


@pytest.mark.parametrize("name", ["/etc/a.png", "../../a.png", "C:\\a.png", "a\0.png", "a\ud800.png", " "])
def test_files_outside_the_folder_of_images_are_refused(name: str, root: Path) -> None:
    changed(root, lambda content: content["images"][1].update(file_name=name))
    with pytest.raises(DataError, match="which is not a path below the folder of images"):
        opened(root)


def test_annotations_are_found_or_asked_for(root: Path, tmp_path: Path) -> None:
    assert len(opened(root, location="annotations/instances_val.json", images="../val").samples) == 2
    (root / "instances_train.json").write_text("{}")
    with pytest.raises(DataError, match="several files that may be the annotations"):
        opened(root)
    assert len(opened(root, annotations=["none.json", "annotations/instances_val.json"]).samples) == 2
    with pytest.raises(MissingDataError, match="nowhere"):
        opened(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no annotations of boxes"):
        opened(tmp_path / "empty")


def test_lvis_keeps_what_it_knows_of_other_classes(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "lvis", "lvis_v1_val.json", "coco/val2017", coco_content(NAMES, lvis=True))
    dataset = opened(root, annotations="lvis_v1_val.json", images=[".", "coco"])
    assert [sample.id for sample in dataset.samples] == ["val2017/a.png", "val2017/b.png"]
    assert isinstance(dataset, BoxDataset)
    assert (dataset.facts.absent, dataset.facts.partial) == (((0,), (0,)), ((2,), (2,)))
    assert dataset.facts.frequencies == ("r", "c", "f")


def test_voc_boxes(tmp_path: Path) -> None:
    spec = SourceSpec(kind="voc", location=str(devkit(tmp_path)), split="test")
    dataset = open_dataset([spec], SourceContext(class_names=VOC_CLASSES, target="boxes"))
    dog, person = VOC_CLASSES.index("dog"), VOC_CLASSES.index("person")
    assert dataset.samples[0].target == (
        Box(dog, (1.0, 0.0, 7.0, 6.0), 42.0, False, 1),
        Box(person, (0.0, 0.0, 12.0, 9.0), 108.0, True, 2),
    )
    assert [sample.id for sample in dataset.samples] == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert dataset.samples[2].target == ()


def test_boxes_are_for_detection(root: Path) -> None:
    spec = SourceSpec(kind="coco", location=str(root))
    with pytest.raises(LabelError, match="it has boxes, but the task needs captions"):
        open_dataset([spec], SourceContext(target="captions"))


def test_a_changed_box_changes_the_state(root: Path) -> None:
    before = opened(root).state()
    changed(root, lambda c: c["annotations"][0].update(bbox=[1, 1, 1, 1]))
    assert opened(root).state() != before


def test_demo_boxes_are_those_of_the_masks() -> None:
    spec = SourceSpec(kind="demo", location="objects")
    dataset = open_dataset([spec], SourceContext(target="boxes"))
    assert dataset.classes is not None
    classes = open_dataset([spec], SourceContext(target="classes"))
    for boxed, labelled in zip(dataset.samples, classes.samples, strict=True):
        assert sorted({box.label for box in boxed.target}) == list(labelled.target)  # type: ignore[union-attr, arg-type]
        assert all(0 < box.area <= box.xywh[2] * box.xywh[3] for box in boxed.target)  # type: ignore[union-attr]
    scenes = open_dataset([SourceSpec(kind="demo", location="scenes")], SourceContext(target="boxes"))
    truth = open_dataset([SourceSpec(kind="demo", location="scenes")], SourceContext(target="class"))
    assert [sample.target[0].label for sample in scenes.samples] == [sample.target for sample in truth.samples]  # type: ignore[index, union-attr]
    with pytest.raises(LabelError, match="no boxes"):
        open_dataset([SourceSpec(kind="demo", location="faces")], SourceContext(target="boxes"))


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("images", "id", 10**30, "does not fit into 64 bits"),
        ("annotations", "id", -(10**30), "does not fit into 64 bits"),
        ("images", "width", -5, "the size -5"),
        ("images", "height", 10**12, "no image can have"),
        ("annotations", "bbox", [0, 0, 10**400, 1], "has a wrong value|no box of four numbers"),
        ("annotations", "area", 10**400, "not finite"),
    ],
)
def test_numbers_that_cannot_be_are_refused(root: Path, part: str, field: str, value: object, message: str) -> None:
    changed(root, lambda content: content[part][0].update({"width": 1, "height": 1, field: value}))
    with pytest.raises(DataError, match=message):
        opened(root)


@pytest.mark.parametrize("kind", ["pipe", "device", "deep"])
def test_annotations_that_are_no_file(root: Path, kind: str) -> None:
    path = root / "annotations/instances_val.json"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_text('{"a":' * 200_000)
    with pytest.raises(DataError, match="not valid JSON" if kind == "deep" else "not a regular file"):
        opened(root, location="" if kind == "deep" else "annotations/instances_val.json", images="../val")
