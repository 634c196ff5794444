"""Files in which annotation tools state classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from data.mask_files import png, saved

from vlmbench.data.formats.masks.class_files import stated_classes
from vlmbench.data.formats.masks.values import IGNORE
from vlmbench.errors import DataError, LabelError

LABELMAP = """# label:color_rgb:parts:actions
background:0,0,0::
cat:250,50,83::
big dog:51,221,255:head,tail:run
ignored:10,20,30::
"""
COLOURS = np.array([[[0, 0, 0], [51, 221, 255], [250, 50, 83], [10, 20, 30], [224, 224, 192]]], np.uint8)


def stated(folder: Path, name: str, content: str):  # type: ignore[no-untyped-def]
    (folder / name).write_text(content)
    found = stated_classes([folder / "not there", folder])
    assert found is not None and found.file == folder / name
    return found


def test_cvats_labelmap_by_colour_palette_and_line(tmp_path: Path) -> None:
    found = stated(tmp_path, "labelmap.txt", LABELMAP)
    assert found.names == ("background", "cat", "big dog")
    expected = [[0, 2, 1, IGNORE, IGNORE]]
    assert found.values.labels(saved(COLOURS, "PNG"), "s").tolist() == expected
    palette = PIL.Image.fromarray(COLOURS).convert("P", palette=PIL.Image.Palette.ADAPTIVE)
    file = io.BytesIO()
    palette.save(file, "PNG")
    assert found.values.labels(file.getvalue(), "s").tolist() == expected, "colours count, not indices"
    assert found.values.labels(png([[0, 2, 1, 255]]), "s").tolist() == [[0, 2, 1, IGNORE]], "grey: the lines' numbers"
    with pytest.raises(LabelError, match=r"has the colour \[1, 0, 0\] in 1 of 1 pixels, and no class[\s\S]*blurred"):
        found.values.labels(saved(np.array([[[1, 0, 0]]], np.uint8), "PNG"), "s")


def test_a_labelmap_of_greys_is_read_by_colour(tmp_path: Path) -> None:
    found = stated(tmp_path, "labelmap.txt", "background:0,0,0::\nroad:255,255,255::\n")
    assert found.values.labels(png([[0, 255]]), "s").tolist() == [[0, 1]]


def test_class_dict(tmp_path: Path) -> None:
    found = stated(tmp_path, "class_dict.csv", "name,r,g,b\nSky, 128,128,128\nRoad,128,64,128\nVoid,0,0,0\n")
    assert found.names == ("Sky", "Road")
    mask = np.array([[[128, 128, 128], [128, 64, 128], [0, 0, 0]]], np.uint8)
    assert found.values.labels(saved(mask, "PNG"), "s").tolist() == [[0, 1, IGNORE]]


def test_roboflows_classes(tmp_path: Path) -> None:
    found = stated(tmp_path, "_classes.csv", "Pixel Value, Class\n0, background\n1, cat\n7, dog\n")
    assert found.names == ("background", "cat", "dog")
    assert found.values.labels(png([[0, 1, 7, 255]]), "s").tolist() == [[0, 1, 2, IGNORE]]
    with pytest.raises(LabelError, match="value 3"):
        found.values.labels(png([[3]]), "s")


@pytest.mark.parametrize("first", ["", "__ignore__\n"])
def test_labelmes_class_names(tmp_path: Path, first: str) -> None:
    found = stated(tmp_path, "class_names.txt", f"{first}_background_\naeroplane\nbicycle")
    assert found.names == ("background", "aeroplane", "bicycle")
    assert found.values.labels(png([[0, 1, 2, 255]], "P"), "s").tolist() == [[0, 1, 2, IGNORE]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labelmap.txt", "a:0,0,0::\na:1,1,1::", "names the class 'a' more than once"),
        ("labelmap.txt", "a:0,0,0::\nb:0,0,0::", "gives the classes 'a' and 'b' the same colour or value"),
        ("labelmap.txt", "a", "is not a whole number"),
        ("labelmap.txt", "a:1,2::", "no colour in"),
        ("labelmap.txt", "a:1,2,256::", "no colour in"),
        ("labelmap.txt", ":1,2,25::", "a class without a name"),
        ("class_dict.csv", "class,r,g,b\na,1,2,3\n", "columns name, r, g and b, but has class, r, g and b"),
        ("class_dict.csv", "name,r,g,b\na,1,2,x\n", "'x' in .* is not a whole number"),
        ("_classes.csv", "value,name\n1,a\n", "columns Pixel Value and Class, but has value and name"),
        ("class_names.txt", "a\na\n", "names 1 class more than once: a"),
    ],
)
def test_what_cannot_be(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        stated(tmp_path, name, content)


def test_readings_that_differ_have_different_words(tmp_path: Path) -> None:
    words = set()
    for number, content in enumerate(
        ("a:0,0,0::\nb:1,0,0::", "a:1,0,0::\nb:0,0,0::", "a:0,0,0::\nb:1,0,0::\nvoid:3,3,3::")
    ):
        (tmp_path / str(number)).mkdir()
        words.add(str(stated(tmp_path / str(number), "labelmap.txt", content).values))
    assert len(words) == 3 and stated_classes([tmp_path]) is None


@pytest.mark.parametrize("name", ["classes.txt", "labels.txt", "data.yaml", "config.yml"])
def test_lists_of_names_state_no_values(tmp_path: Path, name: str) -> None:
    content = "background\nroad\n" if name.endswith(".txt") else "nc: 2\nnames: [background, road]\n"
    found = stated(tmp_path, name, content)
    assert found.names == ("background", "road") and found.values is None
    assert stated_classes([tmp_path], names_only=False) is None


@pytest.mark.parametrize(
    "content",
    ["names: {0: background, 7: road, 9: ignore}", "classes:\n  road: 7\n  background: 0\n  Void: 9\n"],
)
def test_a_mapping_states_values(tmp_path: Path, content: str) -> None:
    found = stated(tmp_path, "config.yaml", content)
    assert found.names == ("background", "road")
    assert found.values.labels(png([[0, 7, 9, 255]]), "s").tolist() == [[0, 1, IGNORE, IGNORE]]


@pytest.mark.parametrize(
    "content", ["train: images\n", "names: 3\n", "names: [1, 2]\n", "- a\n", "names: {a: b}\n", ""]
)
def test_a_yaml_without_classes_states_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "data.yaml").write_text(content)
    assert stated_classes([tmp_path]) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("names: [a, a]", "names 1 class more than once: a"),
        ("names: {0: a, 1: a}", "names the class 'a' more than once"),
        ("names: {a: 1, b: 1}", "the same colour or value"),
        ("names: [", "is not valid YAML"),
    ],
)
def test_a_yaml_that_contradicts_itself(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        stated(tmp_path, "data.yaml", content)
