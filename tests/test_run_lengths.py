"""Masks as run lengths: pycocotools' own, in every form of a COCO file, and refused where they are broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO

from vlmbench.run_lengths import RunLengths, areas, check, compressed, outlined, overlaps


def random_masks(seed: int, count: int = 5) -> np.ndarray[Any, np.dtype[np.bool_]]:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 70, 2)
    return random.random((count, height, width)) < random.random()


@pytest.mark.parametrize("seed", range(20))
def test_masks_are_the_same_after_compression(seed: int) -> None:
    masks = random_masks(seed)
    found = compressed(masks)
    check(found)
    for mask, own in zip(masks, found, strict=True):
        assert np.array_equal(own.pixels(), mask)
        assert own.counts.encode() == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    assert areas(found).tolist() == masks.sum(axis=(1, 2)).tolist()


def test_every_outline_of_coco_is_pycocotools_mask(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Polygons and crowds of the real file, and the same masks as run lengths, compressed and not."""
    ground = COCO(str(real_data / "coco/annotations/instances_val2017.json"))
    kinds = set()
    for entry in ground.dataset["annotations"]:
        image = ground.imgs[entry["image_id"]]
        size = image["height"], image["width"]
        expected = ground.annToRLE(entry)
        text = expected["counts"].decode()
        kinds.add(type(entry["segmentation"]))
        assert outlined(entry["segmentation"], *size) == RunLengths(*size, text)
        assert outlined({"size": list(size), "counts": text}, *size).counts == text
        assert outlined({"size": list(size), "counts": expected["counts"]}, *size).counts == text
    assert kinds == {list, dict}
    capsys.readouterr()


def test_uncompressed_counts() -> None:
    assert outlined({"size": [3, 2], "counts": [1, 2, 3]}, 3, 2).pixels().tolist() == [[0, 0], [1, 0], [1, 0]]
    assert outlined({"size": [3, 2], "counts": [6]}, 3, 2).pixels().sum() == 0


def test_boxes_areas_and_overlaps_of_more_than_255() -> None:
    """pycocotools counts the masks of one call of ``area`` in eight bits."""
    masks = np.random.default_rng(0).random((300, 8, 9)) < 0.5
    found = compressed(masks)
    assert areas(found).tolist() == masks.sum(axis=(1, 2)).tolist()
    shared = overlaps(found, found[:280], np.zeros(280, dtype=bool))
    both = (masks[:, None] & masks[None, :280]).sum(axis=(2, 3))
    assert shared == pytest.approx(both / (masks[:, None] | masks[None, :280]).sum(axis=(2, 3)))
    square = np.zeros((1, 8, 9), dtype=bool)
    square[0, 2:5, 3:7] = True
    assert compressed(square)[0].box() == (3.0, 2.0, 4.0, 3.0)


def test_nothing_inside_and_nothing_at_all() -> None:
    (empty,) = compressed(np.zeros((1, 4, 5), dtype=bool))
    assert empty.box() == (0.0, 0.0, 0.0, 0.0) and areas([empty]).tolist() == [0.0]
    assert overlaps([empty], [empty], np.zeros(1, dtype=bool)).tolist() == [[0.0]]
    assert compressed(np.zeros((0, 4, 5), dtype=bool)) == [] and areas([]).shape == (0,)
    assert overlaps([], [empty], np.zeros(1, dtype=bool)).shape == (0, 1)
    check([])


BROKEN: dict[str, tuple[Any, str]] = {
    "no polygon": ([], "neither a list of polygons nor run lengths"),
    "nothing": (None, "neither a list"),
    "text": ("abc", "neither a list"),
    "one flat polygon": ([1, 1, 2, 2, 3, 3], "a polygon is 1, which is not a list"),
    "a box": ([[1, 2, 3, 4]], "three or more corners"),
    "odd": ([[1, 2, 3, 4, 5, 6, 7]], "three or more corners"),
    "nan": ([[1, 2, 3, 4, 5, float("nan")]], "three or more corners"),
    "words": ([["a"] * 6], "not a list of numbers"),
    "far": ([[0, 0, 1e12, 0, 1e12, 5]], "far outside"),
    "huge": ([[10**400] * 6], "not a list of numbers"),
    "other size": ({"size": [4, 3], "counts": [12]}, r"its size is \[4, 3\], but the picture has \[3, 3\]"),
    "no size": ({"counts": [9]}, "its size is None"),
    "too short": ({"size": [3, 3], "counts": [1, 2]}, "cover 3 pixels, but 3 x 3 pixels are 9"),
    "negative": ({"size": [3, 3], "counts": [10, -1]}, "not whole numbers from 0"),
    "no text": ({"size": [3, 3], "counts": 5}, "not compressed run lengths"),
    "half a number": ({"size": [3, 3], "counts": "0P"}, "end within a number"),
    "strange letters": ({"size": [3, 3], "counts": "zzz"}, "not compressed run lengths"),
    "not ASCII": ({"size": [3, 3], "counts": "9é"}, "not compressed run lengths"),
    "too large a number": ({"size": [3, 3], "counts": "1" + "o" * 12 + "0"}, "too large"),
    "compressed too short": ({"size": [3, 3], "counts": "8"}, "cover 8 pixels"),
    "compressed negative": ({"size": [3, 3], "counts": "O9"}, "negative"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_outline_is_refused(case: str) -> None:
    outline, message = BROKEN[case]
    with pytest.raises(ValueError, match=message):
        outlined(outline, 3, 3)


@pytest.mark.parametrize("seed", range(10))
def test_checked_totals_are_those_of_the_written_lengths(seed: int) -> None:
    """Cut and changed counts are refused; those that fit are read by pycocotools as the same number of pixels."""
    random = np.random.default_rng(seed)
    for mask in compressed(random_masks(seed, 20)):
        letters = list(mask.counts)
        letters[random.integers(len(letters))] = chr(int(random.integers(48, 112)))
        changed = RunLengths(mask.height, mask.width, "".join(letters))
        try:
            check([changed])
        except ValueError:
            continue
        assert changed.pixels().shape == (mask.height, mask.width)


def test_counts_are_json() -> None:
    (mask,) = compressed(np.ones((1, 2, 2), dtype=bool))
    assert outlined(json.loads(json.dumps(mask.form)), 2, 2) == mask
