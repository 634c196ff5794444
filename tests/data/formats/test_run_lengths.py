"""COCO's run-length code: the boxes of pycocotools, and codes that would end the program."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as codes

from vlmbench.data.formats import run_lengths as module
from vlmbench.data.formats.run_lengths import run_lengths


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.floats(0, 1))
def test_lengths_and_boxes_are_those_of_pycocotools(height: int, width: int, seed: int, share: float) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    code = codes.encode(np.asfortranarray(mask))
    for counts in (code["counts"], code["counts"].decode()):
        found = run_lengths({"size": code["size"], "counts": counts})
        assert found.xywh == tuple(codes.toBbox(code).tolist())
        values = np.repeat(np.arange(len(found.counts)) % 2, found.counts).reshape(width, height).T
        assert np.array_equal(values, mask)
    again = run_lengths({"size": code["size"], "counts": found.counts.tolist()})
    assert again.xywh == found.xywh


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"size": [0, 0], "counts": "04"}, "0 x 0 pixels"),
        ({"size": [0, 5], "counts": []}, "0 x 5 pixels"),
        ({"size": [-3, 5], "counts": [1]}, "-3 x 5 pixels"),
        ({"size": [10**12, 5], "counts": [1, 2]}, "pixels"),
        ({"size": [5, 5], "counts": ""}, "0 pixels, but its size is 5 x 5"),
        ({"size": [5, 5], "counts": [3, -4, 26]}, "lengths of runs"),
        ({"size": [5, 5], "counts": [24.0, 1]}, "lengths of runs"),
        ({"size": [5, 5], "counts": "é"}, "compressed code"),
        ({"size": [5, 5], "counts": "o" * 9}, "compressed code"),
        ({"size": [5, 5], "counts": "o"}, "middle of a number"),
        ({"size": [5.0, 5], "counts": [25]}, "size of height and width"),
        ({"counts": [25]}, "size of height and width"),
        ([[1, 2, 3, 4, 5, 6]], "size of height and width"),
        (None, "size of height and width"),
    ],
)
def test_codes_that_are_not_masks(code: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_lengths(code)


def test_its_examples() -> None:
    assert doctest.testmod(module).failed == 0
