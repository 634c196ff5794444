"""Results files of detectron2's and mmdetection's layout, JSON or Parquet, and files that are refused."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as codes

from vlmbench.errors import ModelError
from vlmbench.tasks.detection.results_file import read_results

ENTRY = {"image_id": 42, "category_id": 18, "bbox": [258.15, 41.29, 348.26, 243.78], "score": 0.236}


def code_of(left: int, top: int, width: int, height: int) -> dict[str, Any]:
    """A mask of 20 by 12 pixels in COCO's run-length code, with text as detectron2 writes it."""
    mask = np.zeros((12, 20), dtype=np.uint8)
    mask[top : top + height, left : left + width] = 1
    code = codes.encode(np.asfortranarray(mask))
    return {"size": [12, 20], "counts": code["counts"].decode()}


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_detectron2s_list_of_boxes_and_masks(tmp_path: Path) -> None:
    entries = [{**ENTRY, "segmentation": code_of(2, 3, 5, 4)}, {**ENTRY, "image_id": 7, "bbox": [0, 1, 2.5, 3]}]
    found = read_results(written(tmp_path / "coco_instances_results.json", entries))
    assert found.image_ids == [42, 7] and found.categories == [18, 18]
    assert found.xywh.tolist() == [ENTRY["bbox"], [0, 1, 2.5, 3]] and found.scores.tolist() == [0.236, 0.236]
    assert found.segmentations == [code_of(2, 3, 5, 4), None]


def test_mmdetections_two_files(tmp_path: Path) -> None:
    boxes = read_results(written(tmp_path / "x.bbox.json", [ENTRY]))
    assert boxes.segmentations is None and boxes.xywh.tolist() == [ENTRY["bbox"]]
    masks = read_results(written(tmp_path / "x.segm.json", [{**ENTRY, "segmentation": code_of(2, 3, 5, 4)}]))
    assert masks.segmentations is not None and np.array_equal(masks.xywh, boxes.xywh)


def test_a_mask_without_a_box_has_the_masks_own_box(tmp_path: Path) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != "bbox"}
    counts = {"size": [12, 20], "counts": [2 * 12 + 3, 4, 8, 4, 12 * 20 - (2 * 12 + 3) - 16]}  # columns 2 and 3
    found = read_results(
        written(
            tmp_path / "x.json",
            [{**entry, "segmentation": code_of(2, 3, 5, 4)}, {**entry, "bbox": [], "segmentation": counts}],
        )
    )
    assert found.xywh.tolist() == [[2, 3, 5, 4], [2, 3, 2, 4]]


def test_other_forms_hold_the_same(tmp_path: Path) -> None:
    entries = [ENTRY, {**ENTRY, "image_id": "a/000000000007.jpg", "category_id": "traffic light", "score": 1}]
    plain = read_results(written(tmp_path / "x.json", entries))
    packed = tmp_path / "x.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(entries).encode()))
    same = read_results(packed)
    assert (same.image_ids, same.categories) == (plain.image_ids, plain.categories)
    assert plain.categories == [18, "traffic light"] and np.array_equal(same.xywh, plain.xywh)
    numbers = [ENTRY, {**ENTRY, "image_id": 7}]
    pq.write_table(pa.Table.from_pylist(numbers), tmp_path / "x.parquet")
    table = read_results(tmp_path / "x.parquet")
    assert table.image_ids == [42, 7] and np.array_equal(table.xywh, plain.xywh) and table.scores.tolist()[0] == 0.236


def test_ids_that_pandas_wrote_as_fractions_are_whole_numbers(tmp_path: Path) -> None:
    found = read_results(written(tmp_path / "x.json", [{**ENTRY, "image_id": 42.0, "category_id": 18.0}]))
    assert found.image_ids == [42] and found.categories == [18] and type(found.image_ids[0]) is int


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "the list is empty"),
        ("[{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"images": [], "annotations": [], "categories": []}', "the annotations of a dataset"),
        ('{"results": []}', "an object with 'results'"),
        ("7", "one int"),
        ("[[[1, 2, 3, 4, 0.5]]]", "entry 0 is not an object"),
        ('[{"image_id": 1, "boxes": [[0, 0, 1, 1]], "scores": [1]}]', "one entry for each box"),
        (json.dumps([ENTRY, {**ENTRY, "image_id": None}]), "entry 1 has no 'image_id'"),
        (json.dumps([{**ENTRY, "image_id": 1.5}]), "neither a whole number nor a name"),
        (json.dumps([{**ENTRY, "category_id": True}]), "neither a whole number nor a name"),
        (json.dumps([{"image_id": 1, "category_id": 1, "score": 1}]), "has no 'bbox'"),
        (json.dumps([{"image_id": 1, "category_id": 1, "score": 1, "segmentation": [[1, 2, 3]]}]), "no 'bbox', and no"),
        (json.dumps([{**ENTRY, "bbox": [1, 2, 3]}]), "not a list of four numbers"),
        (json.dumps([{**ENTRY, "bbox": ["1", "2", "3", "4"]}]), "not a list of four numbers"),
        (json.dumps([{**ENTRY, "score": "0.5"}]), "'score' that is not a number"),
        (json.dumps([{name: value for name, value in ENTRY.items() if name != "score"}]), "has no 'score'"),
        (json.dumps([ENTRY, {**ENTRY, "score": float("nan")}]), "entry 1 has a box or a score that is NaN"),
        (json.dumps([ENTRY, {**ENTRY, "bbox": [0, 0, float("inf"), 1]}]), "entry 1 has a box or a score that is NaN"),
        (
            json.dumps([ENTRY, *[{**ENTRY, "bbox": [5, 5, -1, 3]}] * 3]),
            r"entry 1 has a box .*neg.* \(and 2 more\)",
        ),
        (json.dumps([{**ENTRY, "score": 10**400}]), "too large"),
    ],
)
def test_a_file_that_is_not_a_list_of_detections(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_results(path)
    assert str(path) in caught.value.message and caught.value.message.count("\n") == 0


@pytest.mark.parametrize("name", ["x.pkl", "x.pth", "x.json"])
def test_pickles_are_not_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps([np.zeros((1, 5))]))
    with pytest.raises(ModelError, match="pickle") as caught:
        read_results(path)
    hint = caught.value.hint or ""
    assert "outfile_prefix" in hint and "jsonfile_prefix" in hint and "coco_instances_results.json" in hint


def test_a_folder_a_missing_file_and_half_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    (tmp_path / "half.json.gz").write_bytes(gzip.compress(b"[1, 2]" * 100)[:-12])
    (tmp_path / "odd.json.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"\x55" * 60)
    (tmp_path / "no.parquet").write_bytes(b"PAR1")
    for name in ("x.json", "missing.json", "half.json.gz", "odd.json.gz", "no.parquet"):
        with pytest.raises(ModelError, match=name.replace(".", r"\.")):
            read_results(tmp_path / name)


def test_a_table_without_a_column_or_with_uneven_lists(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image_id": [1], "score": [0.5]}), tmp_path / "x.parquet")
    with pytest.raises(ModelError, match="lacks the columns 'category_id' and 'bbox'"):
        read_results(tmp_path / "x.parquet")
    rows = {"image_id": [1], "boxes": [[[0.0, 0.0, 1.0, 1.0]]], "scores": [[0.5, 0.5]], "category_ids": [[1]]}
    pq.write_table(pa.table(rows), tmp_path / "y.parquet")
    with pytest.raises(ModelError, match="row 0"):
        read_results(tmp_path / "y.parquet")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("boxes", [[1.0, 2.0, 3.0, 4.0]]),
        ("boxes", [None]),
        ("scores", [0.5]),
        ("scores", [[None]]),
        ("category_ids", ["cat"]),
        ("region_ranks", [3]),
        ("region_top", [[1]]),
    ],
)
def test_a_table_whose_columns_are_no_lists(tmp_path: Path, column: str, values: list[Any]) -> None:
    rows: dict[str, list[Any]] = {
        "sample": ["a.jpg"],
        "boxes": [[[0.0, 0.0, 1.0, 1.0]]],
        "scores": [[0.5]],
        "category_ids": [[1]],
        "region_labels": [[0]],
        "region_ranks": [[1]],
        "region_top": [[[0, 1]]],
    }
    pq.write_table(pa.table(rows), tmp_path / "x.parquet")
    assert read_results(tmp_path / "x.parquet").regions is not None
    pq.write_table(pa.table({**rows, column: values}), tmp_path / "x.parquet")
    with pytest.raises(ModelError, match=f"the column '{column}' is of type"):
        read_results(tmp_path / "x.parquet")
