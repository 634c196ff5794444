"""Makes Arrow columns of prediction tables. Classification, rare actions and segmentation use it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

_ROWS = 4096
"""The number of Python strings in memory at once while a column is made."""


def strings(values: Iterable[str]) -> pa.ChunkedArray:
    """A column of strings. The values are read in chunks, so that they are never all in memory as Python strings."""
    left = iter(values)
    chunks = iter(lambda: list(islice(left, _ROWS)), [])
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())


def fixed_lists(rows: NDArray[Any]) -> pa.Array:
    """(N, K) numbers as a column of N lists with K numbers each. The numbers keep their type."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
