"""Whole runs whose prompts the demo's model cuts at 32 tokens: a warm cache says what a cold one did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from data.layouts import image_bytes, write_folder

from vlmbench.features.cache.files import features_folder
from vlmbench.remarks.base import Remark
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan

LEAD = "the small striped shape that lies in the far upper left corner of the picture beside the "
SHAPES = ["circle", "square", "star"]
CUT = (
    "3 of 3 prompts are longer than the 32 tokens that the model reads, the longest has 39; their ends were cut off, "
    "and 3 of them are now equal to another one"
)
CODES = ["texts-cut", "indistinct-classes"]


def coco(folder: Path, names: list[str]) -> str:
    content = {
        "images": [{"id": image, "file_name": f"{image}.png", "width": 32, "height": 24} for image in (1, 2)],
        "annotations": [
            {"id": i, "image_id": 1 + i % 2, "category_id": i, "bbox": [2, 3, 10, 8], "area": 80, "iscrowd": 0}
            for i in range(1, len(names) + 1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
    }
    files = {f"images/{image}.png": image_bytes(image, size=(32, 24)) for image in (1, 2)}
    write_folder(folder, {"instances.json": json.dumps(content).encode(), **files})
    return f"coco:{folder}"


def said(request: RunRequest) -> list[Remark]:
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    assert result.record is not None, result.failure
    return [remark for remark in result.record.remarks if remark.code in CODES]


@pytest.mark.parametrize("kind", ["coco", "imagefolder"])
def test_a_warm_cache_says_what_a_cold_one_did(kind: str, tmp_path: Path) -> None:
    long = [LEAD + shape for shape in SHAPES]
    if kind == "coco":
        task = coco(tmp_path / "long", long)
    else:
        write_folder(tmp_path / "long", {f"{name}/{i}.png": image_bytes(i) for name in long for i in range(2)})
        task = f"imagefolder:{tmp_path / 'long'}"
    request = RunRequest(("demo-clip",), (task,), tmp_path / "runs", device="cpu")
    cold = said(request)
    assert [remark.code for remark in cold] == CODES and cold[0].text == CUT
    assert cold[1].text == "3 of 3 class names are equal to another one for the model"
    assert features_folder().exists()
    assert said(replace(request, force=True)) == cold
    assert said(replace(request, results=tmp_path / "other", precision="bf16"))[1:] == cold[1:]


def test_short_names_are_no_news(tmp_path: Path) -> None:
    request = RunRequest(("demo-clip",), (coco(tmp_path / "short", SHAPES),), tmp_path / "runs", device="cpu")
    assert said(request) == []
