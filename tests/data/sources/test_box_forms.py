"""Boxes in another form than they are read in, and boxes that do not fit into their images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data.box_layouts import OBJECTS, voc_xml, write_layout
from data.box_sets import refusal, said_of
from data.layouts import image_bytes, write_folder

SOME = np.random.default_rng(5)
LEFT_TOP = SOME.uniform(0, 60, (80, 2))
EXTENT = SOME.uniform(4, 38, (80, 2))


def of_numbers(root: Path, numbers: np.ndarray, *, sizes: bool = True) -> Path:
    content = {
        "images": [{"id": 1, "file_name": "a.png", **({"width": 100, "height": 100} if sizes else {})}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1 + n % 2, "bbox": list(box)}
            for n, box in enumerate(numbers.tolist(), 1)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    files = {"instances.json": json.dumps(content).encode(), "a.png": image_bytes(0, size=(100, 100))}
    return write_folder(root, files)


FORMS = {
    "left, top, right and bottom": np.hstack([LEFT_TOP, LEFT_TOP + EXTENT]),
    "centre x, centre y, width and height": np.hstack([LEFT_TOP + EXTENT / 2, EXTENT]),
    "shares of the image's width and height": np.hstack([LEFT_TOP, EXTENT]) / 100,
}


@pytest.mark.parametrize("sizes", [True, False])
@pytest.mark.parametrize("words", FORMS)
def test_boxes_in_another_form_are_refused(words: str, sizes: bool, tmp_path: Path) -> None:
    message = refusal(of_numbers(tmp_path, FORMS[words], sizes=sizes))
    assert words in message and "left, top, width and height" in message and "instances.json" in message


def test_boxes_in_the_right_form_are_not(tmp_path: Path) -> None:
    assert not said_of(of_numbers(tmp_path / "a", np.hstack([LEFT_TOP, EXTENT])))
    whole = np.tile([0.0, 0.0, 100.0, 100.0], (20, 1)) + np.arange(20)[:, None] % 2 * 0.4
    assert "repeated-boxes" in said_of(of_numbers(tmp_path / "b", whole))[0]
    tiny = np.hstack([SOME.uniform(0, 97, (500, 2)), SOME.uniform(1, 3, (500, 2))])
    assert not said_of(of_numbers(tmp_path / "c", tiny))


def test_centres_of_small_objects_are_seen(tmp_path: Path) -> None:
    size = SOME.uniform(8, 12, (400, 2))
    centre = size / 2 + SOME.uniform(0, 1, (400, 2)) * (100 - size)
    assert "fit as centre x" in refusal(of_numbers(tmp_path, np.hstack([centre, size])))


def test_a_few_boxes_that_stick_out_are_a_remark(tmp_path: Path) -> None:
    numbers = np.hstack([LEFT_TOP, EXTENT])
    numbers[7] = [90, 90, 30, 5]
    (said,) = said_of(of_numbers(tmp_path, numbers))
    assert said.startswith("boxes-outside: 1 of the 80 boxes of") and said.endswith(
        "goes beyond the edge of its image: a.png"
    )


def test_yolo_and_voc_in_another_form_are_refused(tmp_path: Path) -> None:
    root = write_layout("LabelImg, YOLO", tmp_path / "yolo")
    corners = np.hstack([LEFT_TOP, LEFT_TOP + EXTENT]) / 100
    for name in OBJECTS:
        (root / f"{name}.txt").write_text("".join(f"0 {' '.join(map(str, row))}\n" for row in corners.tolist()))
    assert "fit as left, top, right and bottom" in refusal(root)
    root = write_layout("LabelImg, VOC", tmp_path / "voc")
    for name in OBJECTS:
        xml = voc_xml(name)
        for side in ("xmin", "ymin", "xmax", "ymax"):
            head, *rest = xml.split(f"<{side}>")
            parts = [part.partition("<") for part in rest]
            xml = head + "".join(f"<{side}>{float(number) / 40}<{after}" for number, _, after in parts)
        (root / f"{name}.xml").write_text(xml)
    assert "seem to be shares of the image's width and height" in refusal(root)


def test_sizes_of_other_files_judge_nothing(tmp_path: Path) -> None:
    """The image is refused when it is read, for its size, which is what is wrong."""
    root = of_numbers(tmp_path, np.hstack([LEFT_TOP, EXTENT]))
    content = json.loads((root / "instances.json").read_text())
    content["images"][0] |= {"width": 50, "height": 20}
    (root / "instances.json").write_text(json.dumps(content))
    assert not said_of(root)
