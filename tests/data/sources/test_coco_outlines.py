"""Outlines of COCO's and LVIS' files: read only when they are asked for, in the order of the boxes."""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

import pytest
from data.coco_files import coco_content, write_coco

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.boxes import BoxDataset, BoxFacts
from vlmbench.data.open import open_dataset
from vlmbench.errors import DataError

NAMES = ("cat", "potted plant", "dog")
FILE = "annotations/instances_val.json"


def facts(root: Path, names: tuple[str, ...] | None = NAMES, **options: Any) -> BoxFacts:
    spec = SourceSpec(kind="coco", location=str(root), options=options)
    dataset = open_dataset([spec], SourceContext(class_names=names, target="boxes"))
    assert isinstance(dataset, BoxDataset)
    return dataset.facts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    content = coco_content(NAMES)
    forms: list[Any] = [
        [[2, 3, 12, 3, 12, 11, 2, 11], [1, 1, 4, 1, 4.5, 4]],
        {"size": [24, 32], "counts": "8Z2"},
        {"size": [24, 32], "counts": [8, 10, 750]},
    ]
    for entry, form in zip(content["annotations"], forms, strict=True):
        entry["segmentation"] = form
    return write_coco(tmp_path / "set", FILE, "val", content)


def test_every_form_as_the_file_has_it(root: Path) -> None:
    own = facts(root)
    assert own.outlines is not None
    polygons, text, counts = own.outlines(0)
    assert polygons == [array("d", [2, 3, 12, 3, 12, 11, 2, 11]), array("d", [1, 1, 4, 1, 4.5, 4])]
    assert text == {"size": [24, 32], "counts": "8Z2"} and counts == {"size": [24, 32], "counts": [8, 10, 750]}
    assert own.outlines(1) == ()
    assert repr(own) == repr(facts(root)) and own == facts(root), "outlines are no part of a dataset's state"


def test_categories_that_are_left_out(root: Path) -> None:
    own = facts(root, ("dog",), other_classes="drop")
    assert own.outlines is not None and own.outlines(0) == ({"size": [24, 32], "counts": "8Z2"},)


def test_a_missing_outline_is_none_and_a_strange_one_is_kept(root: Path) -> None:
    content = json.loads((root / FILE).read_text())
    del content["annotations"][0]["segmentation"]
    content["annotations"][1]["segmentation"] = [["a", "b"], 5]
    (root / FILE).write_text(json.dumps(content))
    own = facts(root)
    assert own.outlines is not None and own.outlines(0)[:2] == (None, [["a", "b"], 5])


def test_lvis(tmp_path: Path) -> None:
    content = coco_content(NAMES, lvis=True)
    root = write_coco(tmp_path / "lvis", "lvis_v1_val.json", "coco/val2017", content)
    own = facts(root, annotations="lvis_v1_val.json", images=[".", "coco"])
    assert own.outlines is not None and own.outlines(0) == ([array("d", [0, 0, 1, 1, 2, 2])],) * 3


def test_the_file_is_read_only_when_outlines_are_asked_for(root: Path) -> None:
    own = facts(root)
    (root / FILE).unlink()
    assert own.outlines is not None
    with pytest.raises(DataError, match=r"instances_val\.json cannot be read"):
        own.outlines(0)
    (root / FILE).write_text('{"annotations": [{"image_id": 4}]}')
    with pytest.raises(DataError, match="changed while it was read"):
        own.outlines(0)


def test_boxes_of_other_forms_have_no_outlines(tmp_path: Path) -> None:
    from data.voc_files import devkit

    root = devkit(tmp_path)
    spec = SourceSpec(kind="boxes", location=str(next(root.rglob("Annotations")).parent))
    dataset = open_dataset([spec], SourceContext(target="boxes"))
    assert isinstance(dataset, BoxDataset) and dataset.facts.outlines is None
